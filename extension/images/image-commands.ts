import { basename } from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { outdatedSentence } from '../../backend/api/clone-rules.ts';
import { buildDefaultImages } from '../../backend/api/default-images.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { nameList } from '../nodes/node-names.ts';
import { registerCommands } from '../ui/commands.ts';
import { inView, withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { imageNameFor } from './image-row.ts';
import { askImageName, bootTarget, targetImages } from './image-targets.ts';

/** What other extensions and key bindings may give, so that nothing is asked. */
const ImportOptions = z.object({ path: z.string(), name: z.string().optional() });
const BuildOptions = z.object({ names: z.array(z.string()).optional(), force: z.boolean().optional() });
const RemoveOptions = z.object({ force: z.boolean() });

export function registerImageCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const { model } = connection;

  const logLine = (line: string): void => parts.log.debug(line);

  async function bootNewNode(args: unknown[]): Promise<unknown> {
    await requireLab();
    const image = await bootTarget(parts, args, 'Boot which image on a new node?');
    return vscode.commands.executeCommand('bootyard.node.create', { image });
  }

  async function bootOn(args: unknown[]): Promise<unknown> {
    await requireLab();
    const image = await bootTarget(parts, args, 'Boot which image?');
    return vscode.commands.executeCommand('bootyard.node.bootImage', undefined, undefined, image);
  }

  async function importImage(options: unknown): Promise<ImageInfo> {
    await requireLab();
    const uri = options instanceof vscode.Uri ? options : undefined;
    const given = uri ? undefined : ImportOptions.safeParse(options).data;
    const path = given?.path ?? pathOf(uri ?? (await pickSource()));
    const title = `Import ${basename(path)}`;
    const name = given?.name ?? (await askImageName(model, title, imageNameFor(path)));
    const force = given?.name === undefined && model.image(name) !== undefined;
    const image = await withProgress(`Importing ${basename(path)} as ${name}`, (task) =>
      connection.call('image.import', { path, name, force }, task),
    );
    for (const warning of image.warnings) void vscode.window.showWarningMessage(`${name}: ${warning}`);
    const outdated = outdatedSentence(image.name, image.outdated);
    if (outdated !== undefined) said(outdated);
    return image;
  }

  async function build(options: unknown): Promise<ImageInfo[]> {
    const client = await requireLab();
    const given = BuildOptions.safeParse(options).data ?? {};
    return withProgress('Building the default images', (task) =>
      buildDefaultImages(client, { ...given, ...task, log: logLine, env: labEnvironment() }),
    );
  }

  async function remove(args: unknown[]): Promise<void> {
    await requireLab();
    const images = await targetImages(model, args, 'Remove which images?', (image) => !image.inUse);
    refuseUsed(images);
    const sure = RemoveOptions.safeParse(args[2]).data?.force ?? (await confirmRemoval(images));
    if (!sure) throw new vscode.CancellationError();
    const names = images.map((image) => image.name);
    await inView('bootyard.images', () => connection.call('image.remove', { images: names }));
  }

  async function copyName(args: unknown[]): Promise<void> {
    const images = await targetImages(model, args, 'Copy the name of which images?');
    await vscode.env.clipboard.writeText(images.map((image) => image.name).join('\n'));
  }

  return registerCommands(errors, {
    'bootyard.image.bootNewNode': (...args) => bootNewNode(args),
    'bootyard.image.bootOn': (...args) => bootOn(args),
    'bootyard.image.import': (options) => importImage(options),
    'bootyard.image.buildDefault': (options) => build(options),
    'bootyard.image.copyName': (...args) => copyName(args),
    'bootyard.image.remove': (...args) => remove(args),
  });
}

/** A file (tar or archive) or a folder (OCI layout or root file system): no dialog on Linux offers both at once. */
async function pickSource(): Promise<vscode.Uri> {
  const file = {
    label: '$(file-zip) Archive',
    detail: 'a tar of a root file system, a Docker or OCI archive',
  };
  const folder = { label: '$(folder) Folder', detail: 'an OCI image layout or a root file system' };
  const kind = await vscode.window.showQuickPick([file, folder], { title: 'Import an image from' });
  if (!kind) throw new vscode.CancellationError();
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: 'Image to import',
      openLabel: 'Import',
      canSelectFiles: kind === file,
      canSelectFolders: kind === folder,
    })) ?? [];
  if (!uri) throw new vscode.CancellationError();
  return uri;
}

/** The lab reads files of the machine that the extension is on. */
function pathOf(uri: vscode.Uri): string {
  if (uri.scheme === 'file') return uri.fsPath;
  throw new BootyardError(
    'image.path',
    `${basename(uri.path)} is not on the lab's machine: copy it there and import it from there.`,
  );
}

function refuseUsed(images: ImageInfo[]): void {
  const used = images.find((image) => image.nodes.length > 0);
  if (!used) return;
  const users = nameList(used.nodes.map((name) => ({ name })));
  throw new BootyardError(
    'image.inUse',
    `The image "${used.name}" is used by ${users}: boot them on another image or remove them first.`,
  );
}

async function confirmRemoval(images: ImageInfo[]): Promise<boolean> {
  const what = images.length === 1 ? `the image "${images[0]?.name}"` : `${images.length} images`;
  const detail = 'What is in it is deleted from this machine.';
  return (
    (await vscode.window.showWarningMessage(`Remove ${what}?`, { modal: true, detail }, 'Remove')) ===
    'Remove'
  );
}
