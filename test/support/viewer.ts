import type { ConsoleViewer } from '../../backend/nodes/console.ts';

/** A viewer that takes `window` bytes before it must be drained. */
export class Viewer implements ConsoleViewer {
  text = '';
  writes = 0;
  ended: string | undefined;
  isEnded = false;
  #window: number;
  #drain: () => void = () => undefined;
  #data: (data: Uint8Array) => void = () => undefined;
  #close: () => void = () => undefined;
  constructor(window = Infinity) {
    this.#window = window;
  }
  write(data: Uint8Array): boolean {
    this.writes++;
    this.text += Buffer.from(data).toString();
    this.#window -= data.length;
    return this.#window > 0;
  }
  onDrain(listener: () => void): void {
    this.#drain = listener;
  }
  onData(listener: (data: Uint8Array) => void): void {
    this.#data = listener;
  }
  onClose(listener: () => void): void {
    this.#close = listener;
  }
  end(message?: string): void {
    this.ended = message;
    this.isEnded = true;
  }
  drain(window: number): void {
    this.#window = window;
    this.#drain();
  }
  type(text: string): void {
    this.#data(Buffer.from(text));
  }
  leave(): void {
    this.#close();
  }
}
