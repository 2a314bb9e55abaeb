import type { ApiClient } from './client.ts';
import { connectToLab, type LabOptions } from './lab-control.ts';

/** A connection for those who serve others: made by the first call that needs it, and again after it ended. */
export class LabLink {
  readonly #options: LabOptions;
  #connecting: Promise<ApiClient> | undefined;

  constructor(options: LabOptions) {
    this.#options = options;
  }

  /** Throws what `connectToLab` throws. */
  client(): Promise<ApiClient> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  dispose(): void {
    this.#connecting?.then((client) => client.dispose()).catch(() => undefined);
  }

  async #connect(): Promise<ApiClient> {
    const forget = (): void => void (this.#connecting = undefined);
    try {
      const client = await connectToLab(this.#options);
      client.onClose(forget);
      return client;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
