import type * as NodePty from '@lydell/node-pty';
import type * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { whenNode } from './node-wait.ts';
import type { Session, SessionEvents, SessionSource } from './reconnecting-terminal.ts';

/** ssh's own exit code when the connection is lost; all others are the remote shell's. */
const SSH_LOST = 255;

/** Shells in one node, over ssh in the lab's network, each in a pty of its own. */
export class ShellSource implements SessionSource {
  readonly #connection: LabConnection;
  readonly #mac: string;
  readonly #reconnect: () => boolean;
  /** the boot that the last shell was in */
  #boot: string | null = null;

  constructor(connection: LabConnection, mac: string, reconnect: () => boolean) {
    this.#connection = connection;
    this.#mac = mac;
    this.#reconnect = reconnect;
  }

  async ready(first: boolean, signal: AbortSignal, say: (text: string) => void): Promise<void> {
    const node = this.#connection.model.node(this.#mac);
    if (!first) {
      if (!this.#reconnect()) throw new BootyardError('shell.lost', 'the shell is over');
      say(`waiting until ${node?.name ?? 'the node'} is booted again: Enter tries now, Ctrl+C gives up`);
    } else if (node && node.state !== 'booted') {
      say(`${node.name} is ${node.stage ?? node.state}: waiting until it is booted, Ctrl+C gives up`);
    }
    const ready = (now: NodeInfo): boolean =>
      now.state === 'booted' && (first || now.bootedAt !== this.#boot);
    const booted = await whenNode(this.#connection, this.#mac, ready, signal);
    this.#boot = booted.bootedAt;
    if (!first) say(`${booted.name} is booted again`);
  }

  async open(size: vscode.TerminalDimensions, events: SessionEvents): Promise<Session> {
    const name = this.#connection.model.node(this.#mac)?.name ?? this.#mac;
    const { argv } = await this.#connection.call('node.shellCommand', { node: name, tty: true });
    return await openShellPty(argv, name, size, events);
  }
}

/** One shell: `argv` starts it, `name` is its node's. */
export async function openShellPty(
  argv: string[],
  name: string,
  size: vscode.TerminalDimensions,
  events: SessionEvents,
): Promise<Session> {
  const pty = await spawnPty(argv, size);
  let closed = false;
  pty.onData((text) => events.onText(text));
  pty.onExit(({ exitCode, signal }) => {
    if (closed) return;
    closed = true;
    if (exitCode === SSH_LOST || signal) events.onEnd(`the connection to ${name} ended`);
    else events.onEnd(exitCode === 0 ? '' : `the shell ended with exit code ${exitCode}`, exitCode);
  });
  return {
    write: (text) => pty.write(text),
    resize: (columns, rows) => {
      if (!closed) pty.resize(Math.max(columns, 1), Math.max(rows, 1));
    },
    close: () => {
      if (closed) return;
      closed = true;
      pty.kill('SIGHUP');
    },
  };
}

async function spawnPty(argv: string[], size: vscode.TerminalDimensions): Promise<NodePty.IPty> {
  const [program = '', ...args] = argv;
  const { spawn } = await loadPty();
  return spawn(program, args, {
    name: 'xterm-256color',
    cols: size.columns,
    rows: size.rows,
    cwd: '/',
    env: { ...process.env, TERM: 'xterm-256color' },
  });
}

/** Loaded with the first shell: a native module, which a platform without a prebuilt one lacks. */
async function loadPty(): Promise<typeof NodePty> {
  try {
    return await import('@lydell/node-pty');
  } catch (error) {
    throw new BootyardError(
      'shell.pty',
      `Terminals need a native module that cannot be loaded on this platform (${process.platform}-${process.arch}): ${messageOf(error).split('\n')[0]}`,
    );
  }
}
