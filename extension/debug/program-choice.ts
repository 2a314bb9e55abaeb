import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { type Configuration, localProgram, programOfNode, PYTHON } from './configurations.ts';

const REMEMBERED = 'debug.program';
const MAX_FILES = 200;

/** The file of this machine in the editor that has the focus, if it is in that language. */
export function fileOnShow(language: string): string | undefined {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === language && document.uri.scheme === 'file'
    ? document.uri.fsPath
    : undefined;
}

/** Asks which program of a node to debug, and finds its source in the workspace. */
export async function askProgram({ memory }: Parts, node: string): Promise<Configuration> {
  const file = fileOnShow('python');
  if (file !== undefined) {
    const here = { label: `$(file-code) ${posix.basename(file)}`, description: 'copied into the node' };
    const there = { label: '$(vm) A program of the node', description: 'by its path' };
    const title = `Debug which program in ${node}?`;
    const chosen = await vscode.window.showQuickPick([here, there], { title });
    if (!chosen) throw new vscode.CancellationError();
    if (chosen === here) return localProgram(PYTHON, node, file);
  }
  const program = await askPath(`Debug which Python program of ${node}?`, memory.get(REMEMBERED, '/root/'));
  await memory.update(REMEMBERED, program);
  const name = posix.basename(program).replace(/[*?{}[\]\\]/g, '?');
  const files = await vscode.workspace.findFiles(`**/${name}`, undefined, MAX_FILES);
  return programOfNode(
    PYTHON,
    node,
    program,
    files.map(({ fsPath }) => fsPath),
  );
}

async function askPath(title: string, value: string): Promise<string> {
  const path = await vscode.window.showInputBox({
    title,
    value,
    prompt: 'Its path in the node; breakpoints in a file of the workspace with that name hold for it',
    validateInput: (text) => (/^\/.*[^/]$/.test(text) ? undefined : 'Write a path that begins with /.'),
  });
  if (path === undefined) throw new vscode.CancellationError();
  return path;
}
