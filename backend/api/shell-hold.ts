import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient, CallOptions, ClientStream } from './client.ts';
import type { Params } from './contract.ts';
import { connectToLab } from './lab-control.ts';

/** The daemon waits a minute for the clients of the one before. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 500;

/** Keeps the node of an image shell there, through restarts of the daemon, until it is released or this process ends. */
export class ShellHold {
  readonly node: string;
  #client: Promise<ApiClient>;
  #stream: ClientStream;
  /** to be disposed here */
  #own: ApiClient | undefined;
  #isReleased = false;

  private constructor(node: string, client: ApiClient, stream: ClientStream) {
    this.node = node;
    this.#client = Promise.resolve(client);
    this.#stream = stream;
    this.#follow(client);
  }

  static async open(
    client: ApiClient,
    params: Params<'image.openShell'>,
    options: CallOptions,
  ): Promise<ShellHold> {
    const { node, stream } = await client.call('image.openShell', params, options);
    return new ShellHold(node, client, client.stream(stream));
  }

  /** A connection to the daemon that has the node now. Rejects when there is none that has it. */
  get client(): Promise<ApiClient> {
    return this.#client;
  }

  /** The node goes. */
  release(): void {
    this.#isReleased = true;
    this.#stream.close();
    this.#own?.dispose();
  }

  #follow(client: ApiClient): void {
    client.onClose(() => {
      if (this.#isReleased) return;
      this.#client = this.#again();
      // Whoever asks for it hears of it.
      this.#client.catch(() => undefined);
    });
  }

  async #again(): Promise<ApiClient> {
    for (const end = Date.now() + PATIENCE_MS; ; await delay(RETRY_MS)) {
      let client: ApiClient | undefined;
      try {
        client = await connectToLab({ start: false });
        const { stream } = await client.call('image.holdShell', { node: this.node });
        this.#stream = client.stream(stream);
        this.#own = client;
        if (this.#isReleased) this.release();
        this.#follow(client);
        return client;
      } catch (error) {
        client?.dispose();
        if (this.#isReleased || Date.now() > end) throw error;
      }
    }
  }
}
