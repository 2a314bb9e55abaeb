import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { BootyardExtension } from '../../../extension/extension.ts';
import type { NodeInfo, NodeState } from '../../../backend/api/node.ts';

export const IMAGE = 'pc-x86-64-tiny';
/** The image's own boot takes seconds under software emulation; machines with many jobs at once take longer. */
const LIMIT_MS = 180_000;

export async function bootyard(): Promise<BootyardExtension> {
  const extension = vscode.extensions.getExtension<BootyardExtension>('bootyard.bootyard');
  assert.ok(extension, 'the extension is installed');
  return extension.activate();
}

type Subscribe = (listener: () => void) => { dispose(): void };

/** Resolves with the first answer that is there: looks now, and again at each event. */
export async function when<T>(
  what: string,
  events: Subscribe[],
  look: () => T | undefined | false,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${LIMIT_MS} ms`)), LIMIT_MS);
  const check = (): void => {
    const answer = look();
    if (answer) resolve(answer);
  };
  const subscriptions = events.map((subscribe) => subscribe(check));
  check();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    for (const subscription of subscriptions) subscription.dispose();
  }
}

/** Waits until the node with this name is in that state. */
export async function nodeIn(name: string, state: NodeState): Promise<NodeInfo> {
  const { connection } = await bootyard();
  const { model } = connection;
  return when(`${name} is ${state}`, [model.onChanged, connection.onState], () => {
    const node = model.nodeNamed(name);
    return node?.state === state && node;
  });
}

/** A terminal of the extension and all the text it has shown since this was called. */
export class TerminalReader {
  readonly terminal: vscode.Terminal;
  readonly #pty: vscode.Pseudoterminal;
  #text = '';
  #mark = 0;

  constructor(terminal: vscode.Terminal) {
    const options = terminal.creationOptions;
    assert.ok('pty' in options, 'a terminal with a pty of the extension');
    this.terminal = terminal;
    this.#pty = options.pty;
    options.pty.onDidWrite((text) => (this.#text += text));
  }

  get text(): string {
    return this.#text;
  }

  /** Types a line; later calls of `shows` look at what comes after it. */
  type(line: string): void {
    this.#mark = this.#text.length;
    this.#pty.handleInput?.(`${line}\r`);
  }

  resize(columns: number, rows: number): void {
    this.#pty.setDimensions?.({ columns, rows });
  }

  /** Waits for text after the last line that was typed. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    try {
      return await when(`the terminal shows ${pattern}`, [this.#pty.onDidWrite], () => this.#match(pattern));
    } catch (error) {
      throw new Error(`${String(error)}; it shows:\n${this.#text.slice(-1500)}`, { cause: error });
    }
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    return pattern.exec(this.#text.slice(this.#mark)) ?? undefined;
  }
}

/** Opens a shell and waits for its prompt. */
export async function openShell(node: string): Promise<TerminalReader> {
  const shell = await openTerminal('bootyard.node.shell', node);
  await shell.shows(/# /);
  return shell;
}

/** Runs a command that opens a terminal. */
export async function openTerminal(command: string, node: string): Promise<TerminalReader> {
  const opened = Promise.withResolvers<TerminalReader>();
  const subscription = vscode.window.onDidOpenTerminal((terminal) => {
    if ('pty' in terminal.creationOptions) opened.resolve(new TerminalReader(terminal));
  });
  try {
    await vscode.commands.executeCommand(command, node);
    return await opened.promise;
  } finally {
    subscription.dispose();
  }
}

/** Waits until a read-only text of the extension is open and its content is there. */
export async function textShown(title: string): Promise<string> {
  const find = (): vscode.TextDocument | undefined =>
    vscode.workspace.textDocuments.find(
      (document) =>
        document.uri.scheme === 'bootyard' && document.uri.path === `/${title}` && document.getText() !== '',
    );
  const events: Subscribe[] = [
    vscode.workspace.onDidOpenTextDocument,
    vscode.workspace.onDidChangeTextDocument,
  ];
  return (await when(`the text "${title}"`, events, find)).getText();
}
