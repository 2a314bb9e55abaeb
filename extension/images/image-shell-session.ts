import type * as vscode from 'vscode';
import { LOGIN_SHELL, type ShellHold } from '../../backend/api/shell-hold.ts';
import type { Session, SessionEvents, SessionSource } from '../nodes/reconnecting-terminal.ts';
import { openShellPty } from '../nodes/shell-session.ts';

/** Root shells in the temporary node of an image shell; after a reboot of the node the next one. */
export class ImageShellSource implements SessionSource {
  readonly #hold: ShellHold;

  constructor(hold: ShellHold) {
    this.#hold = hold;
  }

  async ready(first: boolean, signal: AbortSignal, say: (text: string) => void): Promise<void> {
    if (first) return;
    say('waiting until the node is booted again: Enter tries now, Ctrl+C gives up');
    await this.#hold.untilBack({ signal });
  }

  async open(size: vscode.TerminalDimensions, events: SessionEvents): Promise<Session> {
    const { node } = this.#hold;
    const client = await this.#hold.client;
    const { argv } = await client.call('node.shellCommand', { node, command: LOGIN_SHELL, tty: true });
    return await openShellPty(argv, node, size, events);
  }
}
