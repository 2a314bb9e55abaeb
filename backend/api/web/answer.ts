import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** What is sent at once. */
const PART = 64 * 1024;
const HEADERS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
};

/** The body of an answer, as it is made: at the reader's pace, in parts. */
export class Answer {
  readonly #response: ServerResponse;
  #text = '';

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('error', () => response.destroy());
  }

  /** Some of it is on its way: an error can only break it off. */
  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** Rejects when `signal` is aborted while the reader takes its time. */
  async write(text: string, signal: AbortSignal): Promise<void> {
    this.#text += text;
    if (this.#text.length < PART) return;
    if (!this.begun) this.#head(200, 'application/json');
    const part = this.#text;
    this.#text = '';
    if (!this.#response.write(part)) await once(this.#response, 'drain', { signal });
  }

  end(): void {
    if (!this.begun) this.#head(200, 'application/json');
    this.#response.end(this.#text);
  }

  /** Instead of what was written; breaks off an answer that has begun. */
  fail(status: number, sentence: string, { asText, headers }: { asText: boolean; headers?: object }): void {
    if (this.begun) {
      this.#response.destroy();
      return;
    }
    this.#head(status, asText ? 'text/plain' : 'application/json', headers);
    this.#response.end(asText ? `${sentence}\n` : JSON.stringify({ error: sentence }));
  }

  #head(status: number, type: string, more: object = {}): void {
    this.#response.writeHead(status, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8`, ...more });
  }
}
