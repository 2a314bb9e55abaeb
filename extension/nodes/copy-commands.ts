import { existsSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { copyFiles } from '../../backend/api/copy/copy.ts';
import { locationOf } from '../../backend/api/copy/paths.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { bytes } from '../images/image-row.ts';
import { registerCommands } from '../ui/commands.ts';
import { confirm } from '../ui/consent.ts';
import { withProgress, type Task } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { nameList } from './node-names.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';

/** What a drop, other extensions and key bindings may give, so that it is not asked. */
const ToOptions = z.object({ files: z.array(z.custom<vscode.Uri>(isUri)), folder: z.string().optional() });
const FromOptions = z.object({ path: z.string(), folder: z.string() });
const IN_NODE = 'node.copy.path';

/** Copies between this machine and nodes, as `bootyard node cp`. */
export function registerCopyCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, log, memory, requireLab } = parts;

  async function copyTo(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Copy files to which nodes?', ...validFor.booted };
    const nodes = await targetNodes(connection.model, args, question);
    const given = ToOptions.safeParse(args[2]).data;
    const paths = (given?.files ?? (await pickFiles(nodes))).map(pathOf);
    const what = paths.length === 1 ? basename(paths[0] ?? '') : `${paths.length} files`;
    const folder =
      given?.folder ?? (await askPath(`Copy ${what} to ${nameList(nodes)}`, 'Folder in the node'));
    const pairs = nodes.flatMap(({ name }) =>
      paths.map((path) => ({ from: path, to: `${name}:${folder}`, label: `${basename(path)} to ${name}` })),
    );
    await copyAll(`Copying ${what} to ${nameList(nodes)}`, pairs);
    said(`Copied ${what} to ${nameList(nodes)}.`);
  }

  async function copyFrom(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Copy from which node?', ...validFor.booted };
    const { name } = await targetNode(connection.model, args, question);
    const given = FromOptions.safeParse(args[2]).data;
    const path = given?.path ?? (await askPath(`Copy from ${name}`, 'File or folder in the node'));
    const folder = given?.folder ?? (await pickFolder(path));
    const what = posix.basename(path);
    await copyAll(`Copying ${what} from ${name}`, [
      { from: `${name}:${path}`, to: `${folder}/`, label: what },
    ]);
    said(`Copied ${what} to ${folder}.`);
  }

  /** Side by side, under one notification; Cancel leaves nothing half-copied. */
  async function copyAll(title: string, pairs: { from: string; to: string; label: string }[]): Promise<void> {
    const warnings: string[] = [];
    await withProgress(title, async (task) => {
      const results = await Promise.allSettled(pairs.map((pair) => copyOne(pair, task, warnings)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    });
    for (const warning of warnings) log.warn(warning);
    const [first, ...others] = warnings;
    if (first === undefined) return;
    const more = others.length > 0 ? ` And ${others.length} more, in the log.` : '';
    void vscode.window.showWarningMessage(`${first}${more}`);
  }

  async function copyOne(
    { from, to, label }: { from: string; to: string; label: string },
    { signal, onProgress }: Task,
    warnings: string[],
  ): Promise<void> {
    await copyFiles(locationOf(from, '/'), locationOf(to, '/'), {
      client: connection,
      signal,
      onBytes: (count, rate) => onProgress({ message: `${label}: ${bytes(count)}, ${bytes(rate)}/s` }),
      warn: (sentence) => warnings.push(sentence),
    });
  }

  async function askPath(title: string, prompt: string): Promise<string> {
    const path = await vscode.window.showInputBox({
      title,
      prompt: `${prompt}; a relative one is below /root`,
      value: memory.get(IN_NODE, '/root/'),
      validateInput: (text) => (text.trim() === '' ? 'Write a path.' : undefined),
    });
    if (path === undefined) throw new vscode.CancellationError();
    await memory.update(IN_NODE, path.trim());
    return path.trim();
  }

  return registerCommands(errors, {
    'bootyard.node.copyTo': (...args) => copyTo(args),
    'bootyard.node.copyFrom': (...args) => copyFrom(args),
  });
}

function isUri(value: unknown): boolean {
  return value instanceof vscode.Uri;
}

/** Files, or a folder: no dialog on Linux offers both at once. */
async function pickFiles(nodes: NodeInfo[]): Promise<vscode.Uri[]> {
  const files = { label: '$(files) Files' };
  const folder = { label: '$(folder) Folder' };
  const title = `Copy to ${nameList(nodes)}`;
  const kind = await vscode.window.showQuickPick([files, folder], { title });
  if (!kind) throw new vscode.CancellationError();
  const uris = await vscode.window.showOpenDialog({
    title,
    openLabel: 'Copy',
    canSelectFiles: kind === files,
    canSelectFolders: kind === folder,
    canSelectMany: true,
  });
  if (!uris || uris.length === 0) throw new vscode.CancellationError();
  return uris;
}

/** Where a file or a folder of that path goes on this machine; asks before something is replaced there. */
async function pickFolder(path: string): Promise<string> {
  const name = posix.basename(path);
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: `Copy ${name} to`,
      openLabel: 'Copy Here',
      canSelectFiles: false,
      canSelectFolders: true,
    })) ?? [];
  if (!uri) throw new vscode.CancellationError();
  const folder = pathOf(uri);
  if (existsSync(join(folder, name))) {
    const detail = 'Files with the same names are replaced.';
    await confirm(`"${name}" is in ${folder} already. Copy over it?`, detail, 'Replace');
  }
  return folder;
}

/** Copies read and write files of the machine that the extension is on. */
function pathOf(uri: vscode.Uri): string {
  if (uri.scheme === 'file') return uri.fsPath;
  const sentence = `${basename(uri.path)} is not on the lab's machine: copy it there first.`;
  throw new BootyardError('node.cp', sentence);
}
