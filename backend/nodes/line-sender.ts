/** Who reads a stream: the server's end of it. */
export interface Reader {
  /** false when its window is full: no more before `onDrain` */
  write(data: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  onClose(listener: () => void): void;
  end(message?: string): void;
}

/** Text goes out in parts of about this many characters. */
const PART = 16 * 1024;

/** Writes text to a reader in parts, no faster than they are read. */
export class LineSender {
  readonly #reader: Reader;
  readonly #signal: AbortSignal;
  #text = '';
  #drained = Promise.withResolvers<void>();

  constructor(reader: Reader, signal: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
    reader.onDrain(() => this.#drained.resolve());
    signal.addEventListener('abort', () => this.#drained.resolve(), { once: true });
  }

  async write(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= PART) await this.flush();
  }

  /** What is binary, behind the text of before. */
  async writeBytes(bytes: Uint8Array): Promise<void> {
    await this.flush();
    if (!this.#signal.aborted) await this.#send(bytes);
  }

  async flush(): Promise<void> {
    if (this.#text === '' || this.#signal.aborted) return;
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    await this.#send(bytes);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    this.#drained = Promise.withResolvers();
    if (!this.#reader.write(bytes)) await this.#drained.promise;
  }
}
