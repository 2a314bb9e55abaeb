import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../errors.ts';
import type { ApiClient, CallOptions, ClientStream } from './client.ts';
import type { Params, Result } from './contract.ts';

/** The daemon waits a minute for the clients of the one before. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 500;

/** What is typed is no part of the image; whatever its shell is. */
export const LOGIN_SHELL = 'export HISTFILE=/dev/null; exec "${SHELL:-/bin/sh}" -l';

/** Keeps the node of an image shell there, through restarts of the daemon, until it is released or this process ends. */
export class ShellHold {
  readonly node: string;
  readonly #connect: () => Promise<ApiClient>;
  #client: Promise<ApiClient>;
  #current: ApiClient;
  #stream: ClientStream;
  #isReleased = false;

  private constructor(
    node: string,
    connect: () => Promise<ApiClient>,
    client: ApiClient,
    stream: ClientStream,
  ) {
    this.node = node;
    this.#connect = connect;
    this.#client = Promise.resolve(client);
    this.#current = client;
    this.#stream = stream;
    this.#follow(client);
  }

  /** `connect`: to a lab that runs; these connections are closed here. Throws as `image.openShell`. */
  static async open(
    connect: () => Promise<ApiClient>,
    params: Params<'image.openShell'>,
    options: CallOptions,
  ): Promise<ShellHold> {
    const client = await connect();
    try {
      const { node, stream } = await client.call('image.openShell', params, options);
      return new ShellHold(node, connect, client, client.stream(stream));
    } catch (error) {
      client.dispose();
      throw error;
    }
  }

  /** A connection to the daemon that has the node now. Rejects when there is none that has it. */
  get client(): Promise<ApiClient> {
    return this.#client;
  }

  /** What the shell has changed. A node that was switched off, or reboots, has that on its disk. */
  async diff(options: CallOptions): Promise<Result<'image.shellDiff'>> {
    const client = await this.#client;
    const { node } = this;
    const nodes = [node];
    const [info] = await client.call('node.list', { nodes });
    if (info?.state === 'off' || info?.state === 'failed') await client.call('node.boot', { nodes });
    await client.call('node.wait', { nodes }, options);
    return await client.call('image.shellDiff', { node }, options);
  }

  /** Saves a difference, which is kept for ten minutes and then read again. Throws as `image.saveShell`. */
  async save(
    params: { id: string; image: string; force: boolean },
    options: CallOptions,
  ): Promise<Result<'image.saveShell'>> {
    const write = async (id: string) =>
      (await this.#client).call('image.saveShell', { ...params, id, node: this.node }, options);
    try {
      return await write(params.id);
    } catch (error) {
      if (!(error instanceof BootyardError && error.code === 'node.diffGone')) throw error;
      return await write((await this.diff(options)).id);
    }
  }

  /** The node goes. */
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
        const { stream } = await client.call('image.holdShell', { node: this.node });
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
