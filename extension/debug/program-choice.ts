import { accessSync, constants, statSync } from 'node:fs';
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { type Configuration, localProgram, NATIVE, NODEJS, programOfNode, PYTHON } from './configurations.ts';

const REMEMBERED = 'debug.program';
const MAX_FILES = 200;

/** What the programs of a debugger are written in, and what their names end with; the last one takes all others. */
const KINDS = [
  { type: PYTHON, languages: ['python'], ends: /\.py$/ },
  { type: NODEJS, languages: ['javascript'], ends: /\.[cm]?js$/ },
  { type: NATIVE, languages: ['c', 'cpp', 'rust'], ends: /$/ },
];

/** A program of this machine, and the type of its debugger. */
interface Shown {
  type: string;
  file: string;
}

/** The program of this machine that is in the editor that has the focus, or was built beside its source there, if any. */
export function programOnShow(): Shown | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.uri.scheme !== 'file') return undefined;
  const type = KINDS.find(({ languages }) => languages.includes(document.languageId))?.type;
  if (type === undefined) return undefined;
  const file = type === NATIVE ? withoutSuffix(document.uri.fsPath) : document.uri.fsPath;
  return type === NATIVE && !isProgram(file) ? undefined : { type, file };
}

function withoutSuffix(file: string): string {
  return file.slice(0, file.length - posix.extname(file).length);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Asks which program of a node to debug, and finds its source in the workspace. */
export async function askProgram({ memory }: Parts, node: string): Promise<Configuration> {
  const shown = programOnShow();
  if (shown) {
    const here = { label: `$(file-code) ${posix.basename(shown.file)}`, description: 'copied into the node' };
    const there = { label: '$(vm) A program of the node', description: 'by its path' };
    const title = `Debug which program in ${node}?`;
    const chosen = await vscode.window.showQuickPick([here, there], { title });
    if (!chosen) throw new vscode.CancellationError();
    if (chosen === here) return localProgram(shown.type, node, shown.file);
  }
  const program = await askPath(`Debug which program of ${node}?`, memory.get(REMEMBERED, '/root/'));
  await memory.update(REMEMBERED, program);
  const name = posix.basename(program);
  const files = await vscode.workspace.findFiles(
    `**/${name.replace(/[*?{}[\]\\]/g, '?')}`,
    undefined,
    MAX_FILES,
  );
  const type = KINDS.find(({ ends }) => ends.test(name))?.type ?? NATIVE;
  const paths = files.map(({ fsPath }) => fsPath);
  return programOfNode(type, node, program, paths);
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
