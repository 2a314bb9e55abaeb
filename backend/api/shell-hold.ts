import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BootyardError } from '../errors.ts';
import type { ApiClient, CallOptions } from './client.ts';
import type { Params, Result } from './contract.ts';
import { DaemonHold } from './daemon-hold.ts';

/** What is typed is no part of the image; whatever its shell is. */
export const LOGIN_SHELL = 'export HISTFILE=/dev/null; exec "${SHELL:-/bin/sh}" -l';

const RECONNECTS = 30;

/** Keeps the node of an image shell there, through restarts of the daemon, until it is released or this process ends. */
export class ShellHold {
  readonly node: string;
  readonly #hold: DaemonHold;

  private constructor(node: string, hold: DaemonHold) {
    this.node = node;
    this.#hold = hold;
  }

  /** `connect`: as `DaemonHold.open`. Throws as `image.openShell`. */
  static async open(
    connect: () => Promise<ApiClient>,
    params: Params<'image.openShell'>,
    options: CallOptions,
  ): Promise<ShellHold> {
    let node = '';
    const hold = await DaemonHold.open(connect, async (client) => {
      if (node !== '') return await client.call('image.holdShell', { node });
      const opened = await client.call('image.openShell', params, options);
      ({ node } = opened);
      return opened;
    });
    return new ShellHold(node, hold);
  }

  /** A connection to the daemon that has the node now. Rejects when there is none that has it. */
  get client(): Promise<ApiClient> {
    return this.#hold.client;
  }

  /** Resolves when the node takes shells again. One that goes down is called booted for a moment yet: its ssh tells. */
  async untilBack(options: CallOptions): Promise<void> {
    const { node } = this;
    for (let tries = 0; tries < RECONNECTS; tries++) {
      const client = await this.client;
      await client.call('node.wait', { nodes: [node] }, options);
      const { argv } = await client.call('node.shellCommand', { node, command: 'true', tty: false });
      const [program = '', ...words] = argv;
      const isBack = await promisify(execFile)(program, words, { signal: options.signal }).then(
        () => true,
        () => false,
      );
      if (isBack) return;
      await delay(1000, undefined, { signal: options.signal });
    }
  }

  /** What the shell has changed. A node that was switched off, or reboots, has that on its disk. */
  async diff(options: CallOptions): Promise<Result<'image.shellDiff'>> {
    const client = await this.client;
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
      (await this.client).call('image.saveShell', { ...params, id, node: this.node }, options);
    try {
      return await write(params.id);
    } catch (error) {
      if (!(error instanceof BootyardError && error.code === 'node.diffGone')) throw error;
      return await write((await this.diff(options)).id);
    }
  }

  /** The node goes. */
  release(): void {
    this.#hold.release();
  }
}
