import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { withProgress } from '../ui/progress.ts';
import { targetNode, validFor } from './node-targets.ts';
import { drain, textOf } from './stream-text.ts';

/** What consoles have printed: saved to a file, and searched, with the power-ons before the last one. */
export function registerConsoleTextCommands({
  connection,
  documents,
  errors,
  requireLab,
}: Parts): vscode.Disposable {
  async function save(args: unknown[]): Promise<void> {
    await requireLab();
    const node = await targetNode(connection.model, args, {
      title: 'Save the console of which node?',
      ...validFor.any,
    });
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());
    const target = await vscode.window.showSaveDialog({
      title: `Save what the console of ${node.name} has printed`,
      defaultUri: vscode.Uri.joinPath(folder, `${node.name}-console.log`),
    });
    if (!target) throw new vscode.CancellationError();
    const client = await requireLab();
    const file = createWriteStream(target.fsPath);
    await once(file, 'open');
    const { stream } = await client.call('node.consoleText', { node: node.name, history: true });
    await drain(client.stream(stream), (data) => write(file, data));
    file.end();
    await once(file, 'close');
  }

  async function search(args: unknown[]): Promise<void> {
    await requireLab();
    const node = await targetNode(connection.model, args, {
      title: 'Search the console of which node?',
      ...validFor.any,
    });
    const pattern = typeof args[2] === 'string' ? args[2] : await askPattern(node.name);
    const client = await requireLab();
    const lines = await withProgress(`Searching the console of ${node.name}`, async () => {
      const what = { node: node.name, history: true, timestamps: true, search: pattern };
      const { stream } = await client.call('node.consoleText', what);
      return await textOf(client.stream(stream));
    });
    if (lines === '') {
      const sentence = `No line of the console of ${node.name} matches '${pattern}'.`;
      throw new BootyardError('console.noMatch', sentence);
    }
    await documents.show(`${node.name} console search`, lines);
  }

  return registerCommands(errors, {
    'bootyard.node.saveConsole': (...args) => save(args),
    'bootyard.node.searchConsole': (...args) => search(args),
  });
}

async function askPattern(node: string): Promise<string> {
  const pattern = await vscode.window.showInputBox({
    title: `Search the console of ${node}`,
    prompt: 'A POSIX extended regular expression; all power-ons that are kept are looked through',
    validateInput: (text) => (text === '' ? 'Write what to look for.' : undefined),
  });
  if (pattern === undefined) throw new vscode.CancellationError();
  return pattern;
}

async function write(file: WriteStream, data: Uint8Array): Promise<void> {
  if (!file.write(data)) await once(file, 'drain');
}
