import type * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { isOn } from './node-row.ts';
import { whenNode } from './node-wait.ts';
import type { Session, SessionEvents, SessionSource } from './reconnecting-terminal.ts';

const CLEAR = '\x1b[2J\x1b[3J\x1b[H';

/**
 * One node's serial line, with its history since power-on. The daemon keeps both, so closing the terminal loses nothing;
 * after the daemon's own death or a new power-on the terminal goes on with the history as it is then.
 */
export class ConsoleSource implements SessionSource {
  readonly #connection: LabConnection;
  readonly #mac: string;
  readonly #historyBytes: number | undefined;
  #powerOn: string | null = null;
  #client: unknown;

  /** `historyBytes`: at most so much of the history; absent: all */
  constructor(connection: LabConnection, mac: string, historyBytes?: number) {
    this.#connection = connection;
    this.#mac = mac;
    this.#historyBytes = historyBytes;
  }

  async ready(first: boolean, signal: AbortSignal, say: (text: string) => void): Promise<void> {
    const node = this.#connection.model.node(this.#mac);
    if (node && !isOn(node)) say(`${node.name} is off: waiting until it is powered on, Ctrl+C gives up`);
    await whenNode(this.#connection, this.#mac, (now) => first || this.#isNew(now), signal);
  }

  async open(_size: vscode.TerminalDimensions, events: SessionEvents): Promise<Session> {
    const { client, model } = this.#connection;
    const node = model.node(this.#mac);
    if (!client || !node) throw new BootyardError('lab.notRunning', 'the daemon is away');
    this.#powerOn = node.bootStartedAt;
    this.#client = client;
    const stream = await client.openConsole(node.name, {
      history: true,
      historyBytes: this.#historyBytes,
    });
    const decoder = new TextDecoder();
    void events.onText(CLEAR);
    stream.onData((data) => events.onText(decoder.decode(data, { stream: true })));
    stream.onEnd((message) => events.onEnd(message ?? `the console of ${node.name} ended`));
    const encoder = new TextEncoder();
    return { write: (text) => stream.write(encoder.encode(text)), close: () => stream.close() };
  }

  /** Another daemon, or another power-on: there is a line to open that is not the one that ended. */
  #isNew(node: NodeInfo): boolean {
    return this.#client !== this.#connection.client || (isOn(node) && node.bootStartedAt !== this.#powerOn);
  }
}
