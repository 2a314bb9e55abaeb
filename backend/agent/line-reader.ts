import type { Socket } from 'node:net';

/** Longest line that a node may send; a longer one is cut into pieces of this size. Bytes. */
export const MAX_LINE = 64 * 1024;

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
  const bytes = Buffer.from(line, 'latin1');
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') ? line : text;
}
