import type { LabConnection } from '../daemon/connection.ts';
import { ConsoleSource } from '../nodes/console-session.ts';
import { ReconnectingTerminal } from '../nodes/reconnecting-terminal.ts';

/** What a tile shows of the time before it was there: some screens, since a wall has many of them. */
const HISTORY_BYTES = 64 * 1024;
const ENTER = '\r';

/** The serial line of one node in the wall. It goes on after the daemon's death, as a terminal does. */
export class WallTile {
  readonly #connection: LabConnection;
  readonly #mac: string;
  readonly #show: (text: string) => Promise<void>;
  #terminal: ReconnectingTerminal | undefined;

  /** `show` resolves when the page has taken the text */
  constructor(connection: LabConnection, mac: string, show: (text: string) => Promise<void>) {
    this.#connection = connection;
    this.#mac = mac;
    this.#show = show;
    this.revive();
  }

  /** Opens the line again if it was given up. */
  revive(): void {
    if (this.#terminal) return;
    let shown = Promise.resolve();
    const source = new ConsoleSource(this.#connection, this.#mac, HISTORY_BYTES);
    const terminal = new ReconnectingTerminal(source, () => shown);
    this.#terminal = terminal;
    terminal.onDidWrite((text) => (shown = this.#show(text)));
    terminal.onDidClose(() => {
      if (this.#terminal === terminal) this.#terminal = undefined;
    });
    terminal.open(undefined);
  }

  input(text: string): void {
    if (this.#terminal) this.#terminal.handleInput(text);
    else if (text === ENTER) this.revive();
  }

  close(): void {
    this.#terminal?.close();
    this.#terminal = undefined;
  }
}
