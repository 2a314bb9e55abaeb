import { once } from 'node:events';
import type { Socket } from 'node:net';
import { END_OF_TAR, gnuEntryHeader, padding, type TarEntry } from '../../images/tar/tar-writer.ts';
import type { ImageTree } from '../../images/tree/tree.ts';

const BUFFER = 256 * 1024;

/** A tar on its way to a node. Waits while the node does not read; at most one buffer is held besides the socket's. */
export class TarOutput {
  readonly #socket: Socket;
  readonly #onBytes: (bytes: number) => void;
  #buffer = Buffer.allocUnsafeSlow(BUFFER);
  #used = 0;

  /** `onBytes` is told how many more bytes were handed to the socket. */
  constructor(socket: Socket, onBytes: (bytes: number) => void = () => undefined) {
    this.#socket = socket;
    this.#onBytes = onBytes;
  }

  /** A small entry that is there as a whole. `path` and `target` are bytes as latin1 text. */
  async entry(entry: TarEntry): Promise<void> {
    const content = entry.content ?? Buffer.alloc(0);
    await this.write(gnuEntryHeader(entry, content.length));
    await this.write(content);
    await this.write(padding(content.length));
  }

  /** The bytes of a file of `tree`, after its header. */
  async file(tree: ImageTree, inode: number, size: number): Promise<void> {
    for (let position = 0; position < size;) {
      if (this.#used === BUFFER) await this.flush();
      const length = Math.min(BUFFER - this.#used, size - position);
      const count = await tree.readCold(inode, position, this.#buffer, this.#used, length);
      if (count === 0) throw new Error('a file of the image ended too early');
      this.#used += count;
      position += count;
    }
    await this.write(padding(size));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === BUFFER) await this.flush();
      const part = bytes.subarray(at, at + BUFFER - this.#used);
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  async flush(): Promise<void> {
    if (this.#socket.destroyed) throw new Error('the node has closed the connection');
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER);
    this.#used = 0;
    const isTaken = this.#socket.write(bytes);
    if (!isTaken) {
      // A socket that closes may never drain.
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([once(this.#socket, 'drain', { signal }), once(this.#socket, 'close', { signal })]);
      over.abort();
    }
    this.#onBytes(bytes.length);
  }

  async end(): Promise<void> {
    await this.write(END_OF_TAR);
    await this.flush();
    this.#socket.end();
  }
}
