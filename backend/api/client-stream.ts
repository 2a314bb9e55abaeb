import { messageOf } from '../errors.ts';
import { STREAM_WINDOW } from './stream.ts';

type DataListener = (data: Uint8Array) => void | Promise<void>;

export interface StreamControl {
  acknowledge(bytes: number): void;
  write(data: string): void;
  close(): void;
  /** the end was heard: nothing comes for this stream any more */
  ended(): void;
}

const WRITE_CHUNK = 64 * 1024;

/**
 * The client's end of one byte stream. Bytes are acknowledged when the listener has taken them (its promise, if it
 * answers one, has resolved), so a slow reader slows the sender and nothing piles up here.
 */
export class ClientStream {
  readonly #control: StreamControl;
  #queue: Buffer[] = [];
  #listener: DataListener | undefined;
  #endListeners: ((message: string | undefined) => void)[] = [];
  #pumping = false;
  #taken = 0;
  #open = true;
  #finished: { message: string | undefined } | undefined;

  constructor(control: StreamControl) {
    this.#control = control;
  }

  /** One listener; what came before it was set is kept for it. */
  onData(listener: DataListener): void {
    this.#listener = listener;
    void this.#pump();
  }

  /** Called once, after the last byte: the sentence of the server, or undefined. Not after `close`. */
  onEnd(listener: (message: string | undefined) => void): void {
    this.#endListeners.push(listener);
    void this.#pump();
  }

  write(data: Uint8Array): void {
    if (!this.#open) return;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    for (let at = 0; at < bytes.length; at += WRITE_CHUNK) {
      this.#control.write(bytes.toString('base64', at, Math.min(at + WRITE_CHUNK, bytes.length)));
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queue = [];
    this.#endListeners = [];
    this.#control.close();
  }

  /** From the connection. */
  receive(data: Buffer): void {
    if (!this.#open) return;
    this.#queue.push(data);
    void this.#pump();
  }

  /** From the connection: no more will come. */
  finish(message: string | undefined): void {
    this.#finished ??= { message };
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#open && this.#listener !== undefined) {
        const data = this.#queue.shift();
        if (data === undefined) break;
        await this.#listener(data);
        this.#acknowledge(data.length);
      }
    } catch (error) {
      this.#fail(messageOf(error));
    } finally {
      this.#pumping = false;
    }
    this.#endIfDrained();
  }

  #acknowledge(bytes: number): void {
    this.#taken += bytes;
    if (!this.#open || (this.#queue.length > 0 && this.#taken < STREAM_WINDOW / 8)) return;
    this.#control.acknowledge(this.#taken);
    this.#taken = 0;
  }

  #endIfDrained(): void {
    if (!this.#open || this.#finished === undefined || this.#queue.length > 0) return;
    if (this.#endListeners.length === 0) return;
    this.#open = false;
    this.#control.ended();
    for (const listener of this.#endListeners.splice(0)) listener(this.#finished.message);
  }

  /** The listener cannot take the data (a full disk, a closed terminal): the stream is over for it. */
  #fail(message: string): void {
    const listeners = this.#endListeners;
    this.close();
    for (const listener of listeners) listener(message);
  }
}
