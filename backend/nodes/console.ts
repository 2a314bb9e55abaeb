import { connect, type Socket } from 'node:net';
import { BootyardError, messageOf } from '../errors.ts';
import { ConsoleArchive } from './console-archive.ts';
import { ConsoleLog } from './console-log.ts';
import { type ConsolePage, ConsolePages } from './console-page.ts';
import { ConsolePlayer, type Replay } from './console-replay.ts';
import { ConsoleScanner, type TakeText } from './console-scanner.ts';
import { sendConsoleText, type TextWanted } from './console-text.ts';
import { LineSender } from './line-sender.ts';

/** Who watches a console: the server's end of a byte stream. */
export interface ConsoleViewer {
  /** false when the viewer's window is full: no more before `onDrain` */
  write(data: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  onData(listener: (data: Uint8Array) => void): void;
  onClose(listener: () => void): void;
  end(message?: string): void;
}

export interface ConsoleParts {
  /** file that QEMU appends the output to */
  logFile: string;
  /** QEMU's socket, for input */
  socket: string;
  /** a line that means something */
  onLine: (line: string) => void;
  /** every line, without what a terminal would obey, not all of them when they are too many; and all bytes */
  onText: TakeText;
  /** the guest has written something */
  onOutput: () => void;
}

const CHUNK = 32 * 1024;
/** Input that a guest has not read yet; more is dropped, as a real serial line would. */
const MAX_INPUT = 64 * 1024;
const RETRY_MS = 100;
/** After so long without output the begin of a line is logged: a prompt, or what a program that takes long says first. */
const PAUSE_MS = 1000;

/** A node's serial line: output with its history for any number of viewers, each at its own pace, and input. */
export class NodeConsole {
  readonly #parts: ConsoleParts;
  readonly #log: ConsoleLog;
  readonly #pages: ConsolePages;
  readonly #archive: ConsoleArchive;
  readonly #closing = new AbortController();
  readonly #scanner: ConsoleScanner;
  readonly #viewers = new Map<ConsoleViewer, () => void>();
  readonly #players = new Set<ConsolePlayer>();
  #scanned: number;
  #missed: { from: number; to: number };
  #input: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #connected = false;

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
    this.#log = new ConsoleLog(parts.logFile);
    this.#pages = new ConsolePages(this.#log);
    this.#archive = new ConsoleArchive(parts.logFile);
    this.#scanner = new ConsoleScanner(parts.onLine, { onText: parts.onText, keepsRaw: true });
    this.#scanned = this.#log.end;
    this.#missed = this.#log.missed;
    this.#log.onChange(() => this.#grown());
  }

  /**
   * Before a machine starts, whose output goes on below a divider. `fresh`: a power-on, whose history begins here, and what was
   * printed before becomes a past one.
   */
  begin(divider: string, fresh: boolean): void {
    this.#catchUp();
    this.#log.look();
    const isFirst = this.#log.end === this.#log.start;
    if (fresh) {
      this.#archive.keep(this.#parts.logFile);
      this.#log.clear();
    }
    this.#scanner.end();
    if (!isFirst || !fresh) {
      // It is none of what the guest sends.
      this.#scanned = Infinity;
      this.#log.divide(divider);
      this.#parts.onText(`--- ${divider} ---`, new Uint8Array());
    }
    this.#scanned = this.#log.end;
  }

  /** The machine runs: its input is wanted, and its output must be taken, or it would wait for us. */
  connect(): void {
    this.#catchUp();
    this.#connected = true;
    this.#open();
  }

  /** The machine is gone. Viewers stay: they see the next one. */
  disconnect(): void {
    this.#connected = false;
    clearTimeout(this.#retry);
    clearTimeout(this.#pause);
    this.#input?.destroy();
    this.#input = undefined;
    this.#log.look();
    this.#scanner.end();
  }

  /** What was printed last, after looking for what has just come. */
  tail(length: number): string {
    this.#log.look();
    return this.#log.tail(length);
  }

  /** What was printed from a cursor on; see `ConsolePages`. */
  read(cursor: string | undefined, maxBytes: number): ConsolePage {
    return this.#pages.read(cursor, maxBytes);
  }

  /** Sends keystrokes to the guest; dropped when no machine runs. */
  write(data: Uint8Array): void {
    if (!this.#input || this.#input.connecting || this.#input.writableLength + data.length > MAX_INPUT)
      return;
    this.#input.write(data);
  }

  /** `history`: bytes of what was printed before that the viewer gets at most, from the begin of a line where it is less than all. */
  attach(viewer: ConsoleViewer, history: number): void {
    let position = this.#log.recent(history);
    let wasRead = history > 0;
    let ready = true;
    const pump = () => {
      while (ready) {
        const part = this.#log.read(position, CHUNK);
        if (part.position > position && wasRead) {
          viewer.write(Buffer.from('\r\n[some output was left out]\r\n'));
        }
        position = part.position + part.bytes.length;
        if (part.bytes.length === 0) return;
        wasRead = true;
        ready = viewer.write(part.bytes);
      }
    };
    this.#viewers.set(viewer, pump);
    viewer.onDrain(() => {
      ready = true;
      if (this.#viewers.has(viewer)) pump();
    });
    viewer.onData((data) => this.write(data));
    viewer.onClose(() => this.#viewers.delete(viewer));
    pump();
  }

  /** Plays what was printed in a time, with its pauses; throws `console.empty` when that is nothing. */
  replay(viewer: ConsoleViewer, { from, to, speed }: Replay): void {
    this.#log.look();
    const all = this.#log.times();
    const begin = all.findIndex(({ at }) => at >= from);
    const times = begin < 0 ? [] : all.slice(begin).filter(({ at }) => at <= to);
    if (times.length === 0) {
      const sentence = 'Nothing is there of what the node may have printed in that time.';
      throw new BootyardError('console.empty', sentence);
    }
    const start = all[begin - 1]?.end ?? this.#log.start;
    const player: ConsolePlayer = new ConsolePlayer(this.#log, { start, times }, viewer, {
      speed,
      onEnd: () => this.#players.delete(player),
    });
    this.#players.add(player);
    player.start();
  }

  /** Tells what was printed as text, a search or times with it; the stream ends behind that unless it is followed. */
  text(viewer: ConsoleViewer, wanted: TextWanted): void {
    const gone = new AbortController();
    viewer.onClose(() => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    const parts = { log: this.#log, archive: this.#archive };
    sendConsoleText(parts, wanted, new LineSender(viewer, signal), signal).then(
      () => viewer.end(),
      (error: unknown) => viewer.end(messageOf(error)),
    );
  }

  /** Ends all; viewers are told why, if there is something to tell. */
  close(message?: string): void {
    this.disconnect();
    this.#closing.abort();
    const viewers = [...this.#viewers.keys()];
    this.#viewers.clear();
    for (const viewer of viewers) viewer.end(message);
    for (const player of this.#players) player.close(message);
    this.#log.close();
  }

  /** Hands over what was printed while no daemon ran, which means nothing any more. */
  #catchUp(): void {
    const scanner = new ConsoleScanner(() => undefined, { onText: this.#parts.onText, keepsRaw: true });
    let { from } = this.#missed;
    const { to } = this.#missed;
    this.#missed = { from: to, to };
    while (from < to) {
      const { position, bytes } = this.#log.read(from, Math.min(CHUNK, to - from));
      if (bytes.length === 0) break;
      scanner.feed(bytes);
      from = position + bytes.length;
    }
    scanner.end();
  }

  #grown(): void {
    for (;;) {
      const part = this.#log.read(this.#scanned, CHUNK);
      const lost = part.position - this.#scanned;
      if (lost > 0) this.#parts.onText(`[${lost} bytes were left out]`, new Uint8Array());
      this.#scanned = part.position + part.bytes.length;
      if (part.bytes.length === 0) break;
      this.#scanner.feed(part.bytes);
    }
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#scanner.pause(), PAUSE_MS).unref();
    // After its lines: they tell whether it means anything.
    this.#parts.onOutput();
    for (const pump of this.#viewers.values()) pump();
  }

  #open(): void {
    const socket = connect(this.#parts.socket);
    this.#input = socket;
    // The same output comes by the log, where none is lost while no daemon runs.
    socket.resume();
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.#input !== socket) return;
      this.#input = undefined;
      if (this.#connected) this.#retry = setTimeout(() => this.#open(), RETRY_MS);
    });
  }
}
