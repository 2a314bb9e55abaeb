import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient, ClientStream } from './client.ts';

/** The daemon waits a minute for the clients of the one before. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 500;

type Connect = () => Promise<ApiClient>;
/** Asks for the byte stream as long as which the daemon keeps something; the first time, and of each daemon that follows. */
type Ask = (client: ApiClient) => Promise<{ stream: number }>;

/** Keeps something of the daemon's there, through restarts of the daemon, until it is released or this process ends. */
export class DaemonHold {
  readonly #connect: Connect;
  readonly #ask: Ask;
  #client: Promise<ApiClient>;
  #current: ApiClient;
  #stream: ClientStream;
  #isReleased = false;

  private constructor(connect: Connect, ask: Ask, client: ApiClient, stream: ClientStream) {
    this.#connect = connect;
    this.#ask = ask;
    this.#client = Promise.resolve(client);
    this.#current = client;
    this.#stream = stream;
    this.#follow(client);
  }

  /** `connect`: to a lab that runs; these connections are closed here. Throws what `ask` throws the first time. */
  static async open(connect: Connect, ask: Ask): Promise<DaemonHold> {
    const client = await connect();
    try {
      const { stream } = await ask(client);
      return new DaemonHold(connect, ask, client, client.stream(stream));
    } catch (error) {
      client.dispose();
      throw error;
    }
  }

  /** A connection to the daemon that has it now. Rejects when there is none that has. */
  get client(): Promise<ApiClient> {
    return this.#client;
  }

  release(): void {
    this.#isReleased = true;
    this.#stream.close();
    this.#current.dispose();
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
        client = await this.#connect();
        const { stream } = await this.#ask(client);
        this.#stream = client.stream(stream);
        this.#current = client;
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
