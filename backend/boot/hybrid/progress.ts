import type { Publish } from '../../events/bus.ts';

const INTERVAL_MS = 500;

/** Tells the bus of a copy to a node's disk: its begin, then at most twice a second how far it is, and its end. */
export class CopyProgress {
  readonly #publish: Publish;
  readonly #client: string;
  readonly #total: { files: number; bytes: number };
  readonly #begun = performance.now();
  #told = performance.now();
  #files = 0;
  #bytes = 0;

  constructor(publish: Publish, client: string, total: { files: number; bytes: number }) {
    this.#publish = publish;
    this.#client = client;
    this.#total = total;
    this.#say('start');
  }

  file(): void {
    this.#files++;
  }
  bytes(count: number): void {
    this.#bytes += count;
    if (performance.now() - this.#told < INTERVAL_MS) return;
    this.#told = performance.now();
    this.#say('progress');
  }
  /** `cause`: why it broke off */
  end(cause?: string): void {
    this.#say('end', cause);
  }

  #say(phase: 'start' | 'progress' | 'end', cause?: string): void {
    const seconds = (performance.now() - this.#begun) / 1000;
    const rate = seconds > 0 ? this.#bytes / seconds : 0;
    this.#publish({
      kind: 'copy',
      client: this.#client,
      phase,
      files: this.#files,
      totalFiles: this.#total.files,
      bytes: this.#bytes,
      totalBytes: Math.max(this.#total.bytes, this.#bytes),
      bytesPerSecond: Math.round(rate),
      secondsLeft: rate > 0 ? Math.max(0, Math.round((this.#total.bytes - this.#bytes) / rate)) : undefined,
      cause,
    });
  }
}
