import { statfs } from 'node:fs/promises';
import * as z from 'zod';
import type { Machine } from '../machine.ts';
import type { QmpEvent } from '../qmp.ts';

const RETRY_MS = 3_000;
const ASK_MS = 250;
/** Free bytes of the host's disk from which on the machine may go on. */
const ENOUGH = 64 * 1024 * 1024;

const DiskError = z.object({
  action: z.string(),
  nospace: z.boolean().optional(),
  reason: z.string().optional(),
});
const MachineStatus = z.object({ status: z.string() });

/**
 * A machine whose disk could not be written is paused by QEMU (`werror=stop`), with nothing lost. When the host's disk
 * was full it goes on by itself as soon as there is space again, and pauses again if that was not enough.
 */
export class DiskPause {
  readonly #folder: string;
  readonly #changed: (sentence: string | undefined) => void;
  #machine: Machine | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sentence: string | undefined;

  /** `changed` is told why the machine is paused, and `undefined` when it goes on. */
  constructor(folder: string, changed: (sentence: string | undefined) => void) {
    this.#folder = folder;
    this.#changed = changed;
  }

  /** From now on about this machine. */
  follow(machine: Machine): void {
    this.reset();
    this.#machine = machine;
  }

  /** A machine that runs since before this daemon may have paused meanwhile: asks as soon as QEMU answers. */
  look(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#ask().catch(() => this.look());
    }, ASK_MS);
  }

  take(event: QmpEvent): void {
    if (event.event === 'RESUME') return this.#resumed();
    if (event.event !== 'BLOCK_IO_ERROR') return;
    const error = DiskError.safeParse(event.data);
    if (!error.success || error.data.action !== 'stop') return;
    if (error.data.nospace)
      this.#paused(`the host's disk is full; it goes on when there is space again`, true);
    else
      this.#paused(
        `its disk could not be written (${error.data.reason ?? 'unknown error'}); reboot it`,
        false,
      );
  }

  /** The machine is gone. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sentence = undefined;
    this.#machine = undefined;
  }

  #paused(why: string, retry: boolean): void {
    if (retry) this.#retrySoon();
    if (this.#sentence !== undefined) return;
    this.#sentence = `Paused: ${why}.`;
    this.#changed(this.#sentence);
  }

  async #ask(): Promise<void> {
    const status = MachineStatus.parse(await this.#machine?.query('query-status'));
    if (status.status === 'io-error') this.#paused('its disk could not be written; it is tried again', true);
  }

  #resumed(): void {
    if (this.#sentence === undefined) return;
    clearTimeout(this.#timer);
    this.#sentence = undefined;
    this.#changed(undefined);
  }

  #retrySoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#retry().catch(() => this.#retrySoon());
    }, RETRY_MS);
  }

  async #retry(): Promise<void> {
    const machine = this.#machine;
    const { bavail, bsize } = await statfs(this.#folder);
    if (!machine || machine !== this.#machine) return;
    if (bavail * bsize < ENOUGH) return this.#retrySoon();
    await machine.query('cont');
  }
}
