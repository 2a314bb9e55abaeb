import * as vscode from 'vscode';
import type { Result } from '../../backend/api/contract.ts';
import { diffListing, diffSummary } from '../../backend/api/diff-listing.ts';
import { connectToLab } from '../../backend/api/lab-control.ts';
import { ShellHold } from '../../backend/api/shell-hold.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { terminalLocation } from '../nodes/node-terminals.ts';
import { ReconnectingTerminal } from '../nodes/reconnecting-terminal.ts';
import { registerCommands } from '../ui/commands.ts';
import { isCancelled } from '../ui/errors.ts';
import { withConsent } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { bytes } from './image-row.ts';
import { ImageShellSource } from './image-shell-session.ts';
import { askImageName, targetImages } from './image-targets.ts';

type Diff = Result<'image.shellDiff'>;

/** Root shells in images, each in a temporary node; when one ends, what it changed can be saved. */
export function registerImageShell(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;
  const open = new Set<ShellHold>();

  async function shell(args: unknown[]): Promise<void> {
    await requireLab();
    const [image] = await targetImages(connection.model, args.slice(0, 1), 'Open a shell in which image?');
    if (!image) return;
    const connect = () => connectToLab({ start: false, env: labEnvironment() });
    const hold = await withProgress(`Opening a shell in image ${image.name}`, (task) =>
      ShellHold.open(connect, { image: image.name }, task),
    );
    open.add(hold);
    const terminal = vscode.window.createTerminal({
      name: `${image.name} (image)`,
      pty: new ReconnectingTerminal(new ImageShellSource(hold)),
      iconPath: new vscode.ThemeIcon('layers'),
      location: terminalLocation('shell'),
      isTransient: true,
    });
    terminal.show();
    void closed(terminal)
      .then(() => keep(hold, image.name))
      .catch((error: unknown) => errors.report(error))
      .finally(() => {
        open.delete(hold);
        hold.release();
      });
  }

  /** Shows what was changed, and saves it under the name that is asked for. */
  async function keep(hold: ShellHold, image: string): Promise<void> {
    const diff = await withProgress(`Comparing the shell with image ${image}`, (task) => hold.diff(task));
    if (diff.count === 0) {
      void vscode.window.showInformationMessage(`The shell has changed nothing in image ${image}.`);
      return;
    }
    const lines = [
      diffSummary(hold.node, diff, bytes),
      'A added, M modified, D deleted',
      '',
      ...diffListing(diff, bytes),
      '',
    ];
    await documents.show(`${image} shell changes`, lines.join('\n'), { preserveFocus: true });
    for (;;) {
      try {
        return await save(hold, diff, image);
      } catch (error) {
        if (!isCancelled(error)) errors.report(error);
        if (await isDropped(image)) return;
      }
    }
  }

  async function save(hold: ShellHold, diff: Diff, image: string): Promise<void> {
    const name = await askImageName(
      connection.model,
      `Save what the shell has changed in image ${image}`,
      image,
    );
    // Whoever takes a name that is there has read that the image will be replaced.
    const isKnown = name !== image && connection.model.image(name) !== undefined;
    const consent = {
      code: 'image.wouldReboot',
      question: `Save the changes as image ${name}?`,
      agree: 'Save and Reboot',
    };
    const saved = await withConsent(consent, (force) =>
      withProgress(`Saving image ${name}`, (task) =>
        hold.save({ id: diff.id, image: name, force: force || isKnown }, task),
      ),
    );
    void tell(saved.image.name).catch((error: unknown) => errors.report(error));
  }

  async function tell(image: string): Promise<void> {
    const boot = 'Boot on a New Node...';
    const chosen = await vscode.window.showInformationMessage(`Image ${image} is saved.`, boot);
    if (chosen === boot) await vscode.commands.executeCommand('bootyard.image.bootNewNode', image);
  }

  return vscode.Disposable.from(
    registerCommands(errors, { 'bootyard.image.shell': (...args) => shell(args) }),
    { dispose: () => open.forEach((hold) => hold.release()) },
  );
}

/** Whoever takes the question for a name back may not have meant to lose the work. */
async function isDropped(image: string): Promise<boolean> {
  const [drop, save] = ['Drop Changes', 'Save...'];
  const question = `The changes of the shell in image ${image} are not saved.`;
  const chosen = await vscode.window.showWarningMessage(question, { modal: true }, save, drop);
  return chosen === drop;
}

function closed(terminal: vscode.Terminal): Promise<void> {
  return new Promise((resolve) => {
    const watch = vscode.window.onDidCloseTerminal((other) => {
      if (other !== terminal) return;
      watch.dispose();
      resolve();
    });
  });
}
