import * as vscode from 'vscode';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { withConsent } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import type { ImageFindings } from './image-findings.ts';
import { targetImage, targetImages } from './image-targets.ts';
import { LintDocuments } from './lint-documents.ts';
import { labelOf, LintFixes } from './lint-fixes.ts';
import { LintProblems } from './lint-problems.ts';
import { setLabel } from './operation-commands.ts';

/** The check of images: problems in the editor, and what mends them. */
export function registerImageLint(parts: Parts, findings: ImageFindings): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const documents = new LintDocuments();
  const problems = new LintProblems(connection, findings, documents, (line) => parts.log.debug(line));

  async function check(args: unknown[]): Promise<void> {
    await requireLab();
    const images = await targetImages(connection.model, args, 'Check which images?');
    const found = await withProgress('Checking images', async ({ signal, onProgress }) => {
      let count = 0;
      for (const image of images) {
        onProgress({ message: image.name });
        count += (await problems.check(image, signal)).findings.length;
      }
      return count;
    });
    const what = images.length === 1 ? `image ${images[0]?.name}` : `${images.length} images`;
    if (found === 0) said(`Nothing is wrong with ${what}.`);
    else await vscode.commands.executeCommand('workbench.actions.view.problems');
  }

  async function fix(image: unknown, line: unknown): Promise<void> {
    await requireLab();
    const label = labelOf(String(line));
    if (!label) throw new BootyardError('image.fix', `"${String(line)}" is no label to set.`);
    await setLabel(parts, String(image), label.name, label.value);
  }

  /** Of one rule, or of all: what can only be repaired in one way. */
  async function repair(args: unknown[]): Promise<void> {
    await requireLab();
    const [name, rule] = args;
    const image =
      typeof name === 'string' ? name : (await targetImage(parts, args, 'Repair which image?')).name;
    const rules = typeof rule === 'string' ? [rule] : [];
    const consent = {
      code: 'image.wouldReboot',
      question: `Repair image ${image}?`,
      agree: 'Repair and Reboot',
    };
    const { repaired, left } = await withConsent(consent, (force) =>
      withProgress(`Repairing ${image}`, (task) =>
        connection.call('image.fix', { image, rules, force }, task),
      ),
    );
    const others = left.length === 0 ? '' : ` ${left.length} finding(s) are left for you.`;
    if (repaired.length === 0) said(`Image ${image} has nothing that can be repaired.${others}`);
    else said(`Image ${image}: ${repaired.map(({ done }) => done).join(' ')}${others}`);
  }

  return vscode.Disposable.from(
    documents,
    problems,
    LintFixes.register(),
    registerCommands(errors, {
      'bootyard.image.lint': (...args) => check(args),
      'bootyard.image.fix': (image, line) => fix(image, line),
      'bootyard.image.repair': (...args) => repair(args),
    }),
  );
}
