import { basename } from 'node:path';
import * as vscode from 'vscode';
import { buildDefaultImages, DEFAULT_IMAGES } from '../../backend/api/default-images.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import { changesText, historyTable, imageDetails, usageText } from '../../backend/api/image-listing.ts';
import { imageUsageText } from '../../backend/api/reads-listing.ts';
import { EXPORT_FORMATS } from '../../backend/api/image-operations.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { nameList } from '../nodes/node-names.ts';
import { registerCommands } from '../ui/commands.ts';
import { confirm, withConsent } from '../ui/consent.ts';
import { inView, withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { bytes } from './image-row.ts';
import { askImageName, askNewImageName, targetImage } from './image-targets.ts';

const VIEW = 'bootyard.images';

/** What is done to images as a whole. Whatever changes an image asks with the daemon's sentence when nodes run on it. */
export function registerImageOperations(parts: Parts): vscode.Disposable {
  return registerCommands(parts.errors, {
    'bootyard.image.show': (...args) => showDetails(parts, args),
    'bootyard.image.history': (...args) => showHistory(parts, args),
    'bootyard.image.usage': (...args) => showUsage(parts, args),
    'bootyard.image.diff': (...args) => compare(parts, args),
    'bootyard.image.duplicate': (...args) => duplicate(parts, args),
    'bootyard.image.rename': (...args) => rename(parts, args),
    'bootyard.image.squash': (...args) => squash(parts, args),
    'bootyard.image.label': (...args) => label(parts, args),
    'bootyard.image.export': (...args) => exportImage(parts, args),
    'bootyard.image.cleanUp': () => cleanUp(parts),
    'bootyard.image.updateDefault': () => updateDefault(parts),
  });
}

async function showDetails(parts: Parts, args: unknown[]): Promise<void> {
  await parts.requireLab();
  const image = await targetImage(parts, args, 'Show the details of which image?');
  await parts.documents.show(`${image.name} details`, `${imageDetails([image])}\n`);
}

async function showHistory(parts: Parts, args: unknown[]): Promise<void> {
  const client = await parts.requireLab();
  const image = await targetImage(parts, args, 'Show the history of which image?');
  const steps = await inView(VIEW, () => client.call('image.history', { image: image.name }));
  await parts.documents.show(`${image.name} history`, `${historyTable(steps)}\n`);
}

async function showUsage(parts: Parts, args: unknown[]): Promise<void> {
  const client = await parts.requireLab();
  const image = await targetImage(parts, args, 'Show what boots read of which image?');
  const usage = await inView(VIEW, () => client.call('image.usage', { image: image.name }));
  await parts.documents.show(`${image.name} usage`, `${imageUsageText(usage)}\n`);
}

/** Two rows that are selected are compared as they come; the second one is asked for otherwise. */
async function compare(parts: Parts, [first, all]: unknown[]): Promise<void> {
  await parts.requireLab();
  const chosen = Array.isArray(all) && all.length === 2 ? all : [first];
  const from = await targetImage(parts, [chosen[0]], 'Compare which image?');
  const title = `By what does which image differ from ${from.name}?`;
  const to = await targetImage(parts, [chosen[1]], title, ({ name }) => name !== from.name);
  const diff = await withProgress(`Comparing ${to.name} with ${from.name}`, (task) =>
    parts.connection.call('image.diff', { from: from.name, to: to.name }, task),
  );
  const kinds = 'A added, M modified, D deleted; size, layer, path';
  const text = `${to.name} differs from ${from.name} by:\n${kinds}\n\n${changesText(diff, 'path')}\n`;
  await parts.documents.show(`${from.name} and ${to.name}`, text);
}

async function duplicate(parts: Parts, args: unknown[]): Promise<ImageInfo> {
  const client = await parts.requireLab();
  const { name: image } = await targetImage(parts, args, 'Duplicate which image?');
  const name = await askNewImageName(parts.connection.model, `Duplicate ${image} as`, `${image}-copy`);
  return inView(VIEW, () => client.call('image.duplicate', { image, name }));
}

async function rename(parts: Parts, args: unknown[]): Promise<ImageInfo> {
  const client = await parts.requireLab();
  const { name: image } = await targetImage(parts, args, 'Rename which image?', ({ inUse }) => !inUse);
  const name = await askNewImageName(parts.connection.model, `Rename ${image} to`, image);
  return inView(VIEW, () => client.call('image.rename', { image, name }));
}

async function squash(parts: Parts, args: unknown[]): Promise<void> {
  await parts.requireLab();
  const { name: image, layers } = await targetImage(parts, args, 'Squash which image?');
  const name = await askImageName(
    parts.connection.model,
    `Squash the ${layers} layers of ${image} into`,
    image,
  );
  const consent = {
    code: 'image.wouldReboot',
    question: `Squash image ${image}?`,
    agree: 'Squash and Reboot',
  };
  // Whoever takes a name that is there has read that the image will be replaced.
  const target = name === image ? {} : { as: name };
  await withConsent(consent, (force) =>
    withProgress(`Squashing ${image}`, (task) =>
      parts.connection.call('image.squash', { image, ...target, force }, task),
    ),
  ).then(({ changed }) =>
    said(changed ? `Image ${name} has one layer.` : `Image ${image} has one layer already.`),
  );
}

async function label(parts: Parts, args: unknown[]): Promise<void> {
  await parts.requireLab();
  const { name: image } = await targetImage(parts, args, 'Set a label of which image?');
  const text = await vscode.window.showInputBox({
    title: `Label of ${image}`,
    prompt: 'NAME=VALUE sets a label, NAME alone removes it',
    value: 'walt.node.models=',
    validateInput: (typed) =>
      /^[^=\s]+/.test(typed) ? undefined : 'Write NAME=VALUE, or NAME to remove it.',
  });
  if (text === undefined) throw new vscode.CancellationError();
  const [, name = '', value] = /^([^=]+)(?:=(.*))?$/s.exec(text.trim()) ?? [];
  await setLabel(parts, image, name, value);
}

/** Without a value the label is removed. */
export async function setLabel(parts: Parts, image: string, name: string, value?: string): Promise<void> {
  const change = value === undefined ? { remove: [name] } : { labels: { [name]: value } };
  const question = `Change the label ${name} of image ${image}?`;
  const consent = { code: 'image.wouldReboot', question, agree: 'Change and Reboot' };
  const { changed } = await withConsent(consent, (force) =>
    withProgress(`Changing a label of ${image}`, (task) =>
      parts.connection.call('image.label', { image, ...change, force }, task),
    ),
  );
  said(changed ? `Image ${image} updated.` : `Image ${image} has it so already.`);
}

async function exportImage(parts: Parts, args: unknown[]): Promise<void> {
  await parts.requireLab();
  const { name: image } = await targetImage(parts, args, 'Export which image?');
  const formats = EXPORT_FORMATS.map((name) => ({ label: name, name }));
  const format = await vscode.window.showQuickPick(formats, { title: `Export ${image} as` });
  if (!format) throw new vscode.CancellationError();
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file('/tmp');
  const proposed = vscode.Uri.joinPath(folder, `${image.replaceAll(/[^a-z0-9-]+/g, '-')}.tar`);
  const target = await vscode.window.showSaveDialog({ title: `Export ${image}`, defaultUri: proposed });
  if (!target) throw new vscode.CancellationError();
  if (target.scheme !== 'file') {
    throw new BootyardError('image.path', `${basename(target.path)} would not be on the lab's machine.`);
  }
  // The dialog has asked about a file that is there.
  const request = { image, file: target.fsPath, format: format.name, force: true };
  await withProgress(`Exporting ${image}`, (task) => parts.connection.call('image.export', request, task));
  said(`Image ${image} is in ${target.fsPath}.`);
}

/** Shows where the disk space goes, and offers to free what can be. */
async function cleanUp(parts: Parts): Promise<void> {
  const client = await parts.requireLab();
  const usage = await inView(VIEW, () => client.call('image.df', {}));
  await parts.documents.show('Images disk space', `${usageText(usage)}\n`);
  void offer().catch((error: unknown) => parts.errors.report(error));

  async function offer(): Promise<void> {
    const clean = 'Clean Up';
    const text = `Files that no image needs take ${bytes(usage.unreferenced.bytes)}.`;
    if ((await vscode.window.showInformationMessage(text, clean)) !== clean) return;
    const { freedBytes } = await inView(VIEW, () => client.call('image.gc', {}));
    said(`${bytes(freedBytes)} freed.`);
    await parts.documents.show('Images disk space', `${usageText(await client.call('image.df', {}))}\n`);
  }
}

/** Builds those that are there anew; nodes that run on them go on with the old ones until they are rebooted. */
async function updateDefault(parts: Parts): Promise<void> {
  const client = await parts.requireLab();
  const { model } = parts.connection;
  const there = model.images.filter(({ name }) => DEFAULT_IMAGES.includes(name));
  if (there.length === 0) {
    throw new BootyardError('image.none', 'There is no default image: build them first.');
  }
  const names = there.map(({ name }) => name);
  const running = model.nodes.filter(({ image, state }) => names.includes(image) && state !== 'off');
  const detail = `They are built from the packages of today: ${names.join(', ')}.`;
  await confirm('Update the default images?', detail, 'Update');
  await withProgress('Updating the default images', (task) =>
    buildDefaultImages(client, {
      ...task,
      names,
      force: true,
      log: (line) => parts.log.debug(line),
      env: labEnvironment(),
    }),
  );
  if (running.length > 0) void offerReboot().catch((error: unknown) => parts.errors.report(error));

  async function offerReboot(): Promise<void> {
    const reboot = running.length === 1 ? 'Reboot Node' : 'Reboot Nodes';
    const text = `The default images are updated; ${nameList(running)} still run on the old ones.`;
    if ((await vscode.window.showInformationMessage(text, reboot)) !== reboot) return;
    await client.call('node.reboot', { nodes: running.map(({ name }) => name) });
  }
}
