import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import { MAX_LINE, textOf } from '../logs/line.ts';

/**
 * Splits a socket's bytes into lines without the newline. Lines are handed out as latin1 text, so that every byte
 * survives; memory stays below `MAX_LINE` per connection.
 */
export class LineReader {
  #pending = '';
  readonly #onLine: (line: string) => void;

  constructor(socket: Socket, onLine: (line: string) => void) {
    this.#onLine = onLine;
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
  }

  #take(text: string): void {
    const all = this.#pending + text;
    let start = 0;
    for (;;) {
      const end = all.indexOf('\n', start);
      const stop = end < 0 ? all.length : end;
      for (; stop - start > MAX_LINE; start += MAX_LINE) this.#onLine(all.slice(start, start + MAX_LINE));
      if (end < 0) break;
      this.#onLine(all.slice(start, end));
      start = end + 1;
    }
    this.#pending = all.slice(start);
  }
}

/** Bytes kept as latin1, read as UTF-8 where they are UTF-8 and as latin1 where not. */
export function readable(line: string): string {
  return textOf(Buffer.from(line, 'latin1'));
}

/** The same for a `log` event, which also has the bytes where their text does not say which they were. */
export function logLine(line: string): { line: string; bytes?: Uint8Array } {
  const bytes = Buffer.from(line, 'latin1');
  return isUtf8(bytes) ? { line: bytes.toString() } : { line, bytes };
}
