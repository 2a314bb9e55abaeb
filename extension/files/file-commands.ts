import { posix } from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { ImageInfo } from '../../backend/api/image.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { askImageName, targetImages } from '../images/image-targets.ts';
import { targetNode, validFor } from '../nodes/node-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { confirm, withConsent } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { openChanges } from './changes.ts';
import type { OpenFolders } from './folders.ts';
import { EDIT_SCHEME, fileUri, IMAGE_SCHEME, isOurs, NODE_SCHEME, ownerOf } from './uris.ts';

/** A source control view's menus give the view. */
const Control = z.object({ rootUri: z.custom<vscode.Uri>((value) => value instanceof vscode.Uri) });
const Files = z.object({ files: z.array(z.custom<vscode.Uri>((value) => value instanceof vscode.Uri)) });
const Options = z.object({ with: z.string() });

/** Images, working copies and nodes as folders: opened, saved, compared. */
export function registerFileCommands(parts: Parts, folders: OpenFolders): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const { model } = connection;

  async function oneImage(args: unknown[], title: string): Promise<ImageInfo> {
    await requireLab();
    const [image] = await targetImages(model, [nameOf(args[0])], title);
    if (!image) throw new vscode.CancellationError();
    return image;
  }

  async function openImage(args: unknown[]): Promise<void> {
    const { name } = await oneImage(args, 'Open which image as a folder?');
    folders.open(fileUri(IMAGE_SCHEME, name), name);
  }

  async function editImage(args: unknown[]): Promise<void> {
    const { name } = await oneImage(args, 'Edit which image?');
    const copy = await connection.call('image.edit', { image: name });
    if (copy.isStale) {
      const text = `${copy.base} has changed since its working copy was made: save the edits as a new image, or discard them.`;
      void vscode.window.showWarningMessage(text);
    }
    folders.open(fileUri(EDIT_SCHEME, copy.name), copy.name);
  }

  /** The working copy that a command is about: its view, its folder, or the one that is open. */
  async function workingCopy(args: unknown[]): Promise<string> {
    await requireLab();
    const root = Control.safeParse(args[0]).data?.rootUri;
    if (root) return ownerOf(root);
    if (args[0] !== undefined) {
      const { name } = await oneImage(args, '');
      return (await connection.call('image.edit', { image: name })).name;
    }
    const open = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === EDIT_SCHEME);
    const names = open.map(({ uri }) => ownerOf(uri));
    if (names.length === 0)
      throw new BootyardError('image.noWorkingCopy', 'No image is opened for edits: run Edit Image first.');
    const chosen =
      names.length === 1 ? names[0] : await vscode.window.showQuickPick(names, { title: 'Which image?' });
    if (chosen === undefined) throw new vscode.CancellationError();
    return chosen;
  }

  async function save(args: unknown[]): Promise<ImageInfo | undefined> {
    const image = await workingCopy(args);
    await vscode.workspace.saveAll(false);
    const { base } = await connection.call('image.edit', { image });
    const consent = {
      code: 'image.wouldReboot',
      question: `Save the edits in ${base}?`,
      agree: 'Save and Reboot',
    };
    const saved = await withConsent(consent, (force) =>
      withProgress(`Saving the edits in ${base}`, (task) =>
        connection.call('image.saveEdits', { image, force }, task),
      ),
    );
    folders.refresh(fileUri(EDIT_SCHEME, image));
    if (saved.changed) said(`${base} has the edits.`);
    else said(`${base} has all this already.`);
    return saved.image;
  }

  async function saveAs(args: unknown[]): Promise<ImageInfo | undefined> {
    const image = await workingCopy(args);
    await vscode.workspace.saveAll(false);
    const as = await askImageName(model, `Save ${image} as an image`, '');
    const force = model.image(as) !== undefined;
    const saved = await withProgress(`Saving ${image} as ${as}`, (task) =>
      connection.call('image.saveEdits', { image, as, force }, task),
    );
    said(`${image} is saved as ${as}.`);
    return saved.image;
  }

  async function discard(args: unknown[]): Promise<void> {
    const image = await workingCopy(args);
    const detail = 'All that was edited since the image was saved is deleted.';
    await confirm(`Discard the edits of ${image}?`, detail, 'Discard');
    await connection.call('image.remove', { images: [image] });
    folders.close(fileUri(EDIT_SCHEME, image));
  }

  async function compare(args: unknown[]): Promise<void> {
    const { name } = await oneImage(args, 'Compare which image?');
    const given = Options.safeParse(args[2]).data?.with;
    const others = model.images.filter((image) => image.name !== name);
    const other =
      given ??
      (await pickOne(
        `Compare ${name} with`,
        others.map((image) => image.name),
      ));
    const { changes } = await withProgress(`Comparing ${name} with ${other}`, (task) =>
      connection.call('image.diff', { from: name, to: other }, task),
    );
    if (changes.length === 0) {
      void vscode.window.showInformationMessage(`${name} and ${other} have the same files.`);
      return;
    }
    const side = (image: string) => (path: string) => fileUri(IMAGE_SCHEME, image, path);
    await openChanges({ title: `${name} ↔ ${other}`, from: side(name), to: side(other) }, changes);
  }

  /** A file of an image or a node beside the same path of another one. */
  async function compareFile(args: unknown[]): Promise<void> {
    await requireLab();
    const active = vscode.window.activeTextEditor?.document.uri;
    const uri = args[0] instanceof vscode.Uri ? args[0] : active;
    if (!uri || !isOurs(uri))
      throw new BootyardError('file.none', 'Open a file of an image or a node first, then compare it.');
    const nodes = model.nodes.filter(({ state }) => state === 'booted').map(({ name }) => name);
    const images = model.images.map(({ name }) => name);
    const sides = [
      ...nodes.map((name) => ({ label: `$(vm) ${name}`, uri: fileUri(NODE_SCHEME, name, uri.path), name })),
      ...images.map((name) => ({
        label: `$(layers) ${name}`,
        uri: fileUri(IMAGE_SCHEME, name, uri.path),
        name,
      })),
    ].filter(({ name }) => name !== ownerOf(uri));
    const given = Options.safeParse(args[2]).data?.with;
    const title = `Compare ${uri.path} of ${ownerOf(uri)} with`;
    const chosen =
      sides.find(({ name }) => name === given) ?? (await vscode.window.showQuickPick(sides, { title }));
    if (!chosen) throw new vscode.CancellationError();
    const label = `${posix.basename(uri.path)} (${chosen.name} ↔ ${ownerOf(uri)})`;
    await vscode.commands.executeCommand('vscode.diff', chosen.uri, uri, label);
  }

  async function openNode(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Open the files of which node?', ...validFor.booted };
    const { name } = await targetNode(model, args, question);
    folders.open(fileUri(NODE_SCHEME, name), name);
  }

  /** All changes of a working copy, or of a node to its image, in one editor. */
  async function showChanges(args: unknown[]): Promise<void> {
    const root = Control.safeParse(args[0]).data?.rootUri;
    const uri = root ?? fileUri(EDIT_SCHEME, await workingCopy(args));
    const view = folders.view(uri);
    if (!view) throw new BootyardError('file.none', `${ownerOf(uri)} is not open as a folder.`);
    await view.refresh();
    if (view.changes.length === 0) said('Nothing is changed.');
    else await openChanges(view.comparison, view.changes);
  }

  async function refresh(args: unknown[]): Promise<void> {
    const root = Control.safeParse(args[0]).data?.rootUri;
    await folders.view(root ?? fileUri(EDIT_SCHEME, await workingCopy(args)))?.refresh();
  }

  async function saveNode(args: unknown[]): Promise<unknown> {
    const root = Control.safeParse(args[0]).data?.rootUri;
    return vscode.commands.executeCommand('bootyard.node.save', root ? ownerOf(root) : args[0]);
  }

  /** Files of this machine into a folder of an image, as `bootyard image cp`. */
  async function copyInto(args: unknown[]): Promise<void> {
    const { name } = await oneImage(args, 'Copy files into which image?');
    const given = Files.safeParse(args[2]).data?.files;
    const uris =
      given ?? (await vscode.window.showOpenDialog({ canSelectMany: true, openLabel: 'Copy' })) ?? [];
    if (uris.length === 0) throw new vscode.CancellationError();
    const outside = uris.find(({ scheme }) => scheme !== 'file');
    if (outside) {
      const sentence = `${posix.basename(outside.path)} is not on the lab's machine: copy it there first.`;
      throw new BootyardError('image.cp', sentence);
    }
    const what = uris.length === 1 ? posix.basename(uris[0]?.path ?? '') : `${uris.length} files`;
    const folder = await vscode.window.showInputBox({
      title: `Copy ${what} into ${name}`,
      prompt: 'Folder in the image; files with the same names are replaced',
      value: '/root/',
      validateInput: (text) => (text.startsWith('/') ? undefined : 'Write a path that begins with /.'),
    });
    if (folder === undefined) throw new vscode.CancellationError();
    const consent = {
      code: 'image.wouldReboot',
      question: `Copy ${what} into ${name}?`,
      agree: 'Copy and Reboot',
    };
    for (const { fsPath } of uris) {
      const paths = { from: fsPath, to: `${name}:${folder}`, folder: '/' };
      await withConsent(consent, (force) =>
        withProgress(`Copying ${posix.basename(fsPath)} into ${name}`, (task) =>
          connection.call('image.cp', { ...paths, force }, task),
        ),
      );
    }
    said(`Copied ${what} into ${name}.`);
  }

  return registerCommands(errors, {
    'bootyard.image.openFolder': (...args) => openImage(args),
    'bootyard.image.edit': (...args) => editImage(args),
    'bootyard.image.saveEdits': (...args) => save(args),
    'bootyard.image.saveEditsAs': (...args) => saveAs(args),
    'bootyard.image.discardEdits': (...args) => discard(args),
    'bootyard.image.showChanges': (...args) => showChanges(args),
    'bootyard.image.refreshChanges': (...args) => refresh(args),
    'bootyard.image.compare': (...args) => compare(args),
    'bootyard.image.compareFile': (...args) => compareFile(args),
    'bootyard.image.copyInto': (...args) => copyInto(args),
    'bootyard.node.openFolder': (...args) => openNode(args),
    'bootyard.node.saveChanges': (...args) => saveNode(args),
  });
}

/** A row, a name, or a file or folder of an image. */
function nameOf(first: unknown): unknown {
  return first instanceof vscode.Uri && isOurs(first) ? ownerOf(first) : first;
}

async function pickOne(title: string, names: string[]): Promise<string> {
  if (names.length === 0) throw new BootyardError('image.none', 'There is no other image.');
  const chosen = await vscode.window.showQuickPick(names, { title });
  if (chosen === undefined) throw new vscode.CancellationError();
  return chosen;
}
