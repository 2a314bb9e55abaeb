import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { applyLab } from '../../backend/api/lab-file/apply.ts';
import { gatherFacts } from '../../backend/api/lab-file/facts.ts';
import { type LabPlan, planLab, stepWords } from '../../backend/api/lab-file/plan.ts';
import { type LoadedLab, readLab } from '../../backend/api/lab-file/read.ts';
import { LAB_FILE } from '../../backend/api/lab-file/schema.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { confirm, isForced } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { LAB_FILES } from '../yaml/file-kinds.ts';
import { LabLens } from './lab-lens.ts';

/** Lab files: code lenses, and *Apply Lab File*. */
export function registerLabFile(parts: Parts): vscode.Disposable {
  const lens = new LabLens(parts.connection);
  return vscode.Disposable.from(
    lens,
    vscode.languages.registerCodeLensProvider(LAB_FILES.selector, lens),
    registerCommands(parts.errors, {
      'bootyard.lab.apply': (uri, options) => apply(parts, uri, isForced(options)),
    }),
  );
}

/** Shows what differs between a file and the lab, and does it with the user's consent. Answers how many steps that were. */
async function apply({ requireLab, log }: Parts, given: unknown, hasConsent: boolean): Promise<number> {
  const loaded = await load(given instanceof vscode.Uri ? given : await chosenFile());
  const { lab, path } = loaded;
  const client = await requireLab();
  const plan = await withProgress(`Comparing ${path} with the lab`, async (task) =>
    planLab(lab, await gatherFacts(client, loaded, task)),
  );
  const { length } = plan.steps;
  if (length === 0) {
    said(`Nothing to do: the lab is as ${path} says.`);
    return 0;
  }
  if (!hasConsent) await confirm(`Apply ${path}?`, describe(plan), 'Apply');
  await withProgress(`Applying ${path}`, (task) =>
    applyLab(client, lab, plan, {
      ...task,
      env: labEnvironment(),
      onStep: (step) => task.onProgress({ message: stepWords(step).join(' ') }),
      onOutput: (text) => log.append(text),
      warn: (sentence) => void vscode.window.showWarningMessage(sentence),
    }),
  );
  said(`The lab is as ${path} says.`);
  return length;
}

/** The file as it is in the editor, saved. */
async function load(uri: vscode.Uri): Promise<LoadedLab> {
  const document = await vscode.workspace.openTextDocument(uri);
  const path = basename(uri.fsPath);
  // One that is being saved, as by the editor itself, is said not to be saved.
  if (document.isDirty && !(await document.save()) && document.isDirty)
    throw new BootyardError('lab.file', `${path} could not be saved.`);
  const folder = dirname(uri.fsPath);
  const { lab, problems, at } = readLab(document.getText(), folder);
  if (lab) return { lab, path, folder, at };
  await vscode.window.showTextDocument(document);
  await vscode.commands.executeCommand('workbench.actions.view.problems');
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  throw new BootyardError('lab.file', `${path} has ${count}, which the Problems view shows.`);
}

function describe({ steps, losses }: LabPlan): string {
  return [...steps.map((step) => `${stepWords(step).join(' ')}: ${step.why}`), '', ...losses]
    .join('\n')
    .trim();
}

/** The file of the editor, or the one of the workspace. */
async function chosenFile(): Promise<vscode.Uri> {
  const open = vscode.window.activeTextEditor?.document;
  if (open && vscode.languages.match(LAB_FILES.selector, open) > 0) return open.uri;
  const found = await vscode.workspace.findFiles(`**/${LAB_FILE}`, '**/node_modules/**', 20);
  const [only, ...others] = found;
  if (!only)
    throw new BootyardError('lab.noFile', `There is no ${LAB_FILE} in this workspace: write one first.`);
  if (others.length === 0) return only;
  const picked = await vscode.window.showQuickPick(
    found.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), uri })),
    { title: 'Apply which lab file?' },
  );
  if (!picked) throw new vscode.CancellationError();
  return picked.uri;
}
