import * as vscode from 'vscode';
import type { Result } from '../../backend/api/contract.ts';
import { diffListing, diffSummary } from '../../backend/api/diff-listing.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import type { Parts } from '../features.ts';
import { bytes } from '../images/image-row.ts';
import { askImageName } from '../images/image-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { withConsent } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { targetNode, validFor } from './node-targets.ts';

/** What a node has changed on its image: shown, and made an image of, or put into that image. */
export function registerSaveCommands(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;
  const { model } = connection;

  /** Compares a booted node with its image and shows the listing; answers undefined when there is nothing to see. */
  async function preview(
    node: string,
    saveAs?: { image: string; force: boolean },
  ): Promise<Result<'node.diff'> | undefined> {
    const diff = await withProgress(`Comparing ${node} with its image`, (task) =>
      connection.call('node.diff', { node, ...(saveAs ? { saveAs } : {}) }, task),
    );
    if (diff.count === 0) {
      const text = `${node} has changed nothing that could be saved.`;
      void vscode.window.showInformationMessage(text);
      return undefined;
    }
    const kinds = 'A added, M modified, D deleted';
    const lines = [diffSummary(node, diff, bytes), kinds, '', ...diffListing(diff, bytes), ''];
    await documents.show(`${node} changes`, lines.join('\n'), { preserveFocus: saveAs !== undefined });
    return diff;
  }

  async function showChanges(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Show the changes of which node?', ...validFor.booted };
    await preview((await targetNode(model, args, question)).name);
  }

  async function save(args: unknown[]): Promise<ImageInfo | undefined> {
    await requireLab();
    const question = { title: 'Save which node as an image?', ...validFor.booted };
    const { name: node } = await targetNode(model, args, question);
    const image = await askImageName(model, `Save ${node} as an image`, '');
    // Whoever takes a name that is there has read that the image will be replaced.
    const force = model.image(image) !== undefined;
    const diff = await preview(node, { image, force });
    if (!diff) return undefined;
    try {
      await confirmSave(`Save these changes of ${node}?`, image, diffSummary(node, diff, bytes));
    } catch (error) {
      await connection.call('node.dropDiff', { id: diff.id });
      throw error;
    }
    const saved = await withProgress(`Saving ${node} as image ${image}`, (task) =>
      connection.call('node.save', { id: diff.id, image, force }, task),
    );
    void tell(saved.name).catch((error: unknown) => errors.report(error));
    return saved;
  }

  async function tell(image: string): Promise<void> {
    const boot = 'Boot on a New Node...';
    const chosen = await vscode.window.showInformationMessage(`Image ${image} is saved.`, boot);
    if (chosen === boot) await vscode.commands.executeCommand('bootyard.image.bootNewNode', image);
  }

  async function push(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Copy from which node into its image?', ...validFor.booted };
    const { name: node, image } = await targetNode(model, args, question);
    const path = await askPath(`Copy from ${node} into image ${image}`);
    const consent = {
      code: 'image.wouldReboot',
      question: `Copy ${path} into image ${image}?`,
      agree: 'Copy and Reboot',
    };
    const { rebooted } = await withConsent(consent, (force) =>
      withProgress(`Copying ${path} of ${node} into image ${image}`, (task) =>
        connection.call('node.pushToImage', { node, path, force }, task),
      ),
    );
    const text = `Image ${image} has ${path} of ${node}${rebooted.length > 0 ? '' : ' already'}.`;
    void vscode.window.showInformationMessage(text);
  }

  return registerCommands(errors, {
    'bootyard.node.diff': (...args) => showChanges(args),
    'bootyard.node.save': (...args) => save(args),
    'bootyard.node.pushToImage': (...args) => push(args),
  });
}

/** Asks at the top of the window, so that the listing can be read and scrolled before the answer. */
async function confirmSave(title: string, image: string, summary: string): Promise<void> {
  const yes = { label: `$(save) Save as image ${image}`, detail: summary };
  const no = { label: '$(close) Do not save' };
  const chosen = await vscode.window.showQuickPick([yes, no], { title, ignoreFocusOut: true });
  if (chosen !== yes) throw new vscode.CancellationError();
}

async function askPath(title: string): Promise<string> {
  const path = await vscode.window.showInputBox({
    title,
    prompt: 'File or folder in the node; nodes that use the image are rebooted',
    validateInput: (text) => (text.startsWith('/') ? undefined : 'Write a path that begins with /.'),
  });
  if (path === undefined) throw new vscode.CancellationError();
  return path;
}
