import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { exists } from '../disks/files.ts';
import type { Machine } from '../machine.ts';

/** Of long work: what goes on and how much of it is done (0 to 1), and what ends it. */
export interface WorkControl {
  signal: AbortSignal;
  progress: (progress: { message: string; fraction?: number }) => void;
}

/** QEMU's answer to query-migrate (QAPI, MigrationInfo), as far as it matters here. */
const Migration = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  ram: z.object({ transferred: z.number(), remaining: z.number() }).optional(),
});
const MachineStatus = z.object({ status: z.string() });

const POLL_MS = 20;
const GIVE_UP_MS = 60_000;
/** QEMU's own bound is made for links that others use too. Bytes per second. */
const NO_BOUND = 2 ** 40;
/** With less room than this a file system counts as full, bytes: a write that failed may have been larger. */
const FULL = 1024 * 1024;
/** How long the last bytes of a file, no more than a pipe holds, may take. */
const LAST_BYTES_MS = 60_000;
/** States of a machine that is being saved, or was and has not gone on. */
const SAVING = new Set(['paused', 'postmigrate', 'finish-migrate', 'save-vm']);

/**
 * Writes memory and devices of a paused machine into `file`, as QEMU's migration stream. The stream is taken by a child of
 * QEMU, not by the daemon, whose end would break it off. QEMU does not look whether the child could write what it got
 * (7.2, qio_channel_command_close), so the file gets its name from the child, when all of it is there. Throws
 * `snapshot.save` with the reason, or the reason of the signal, when both have done with the file.
 */
export async function saveState(
  machine: Pick<Machine, 'query'>,
  file: string,
  control: WorkControl,
): Promise<void> {
  const [part, short, whole] = [`${file}.part`, `${file}.short`, file].map(shellWord);
  await machine.query('migrate-set-parameters', { 'max-bandwidth': NO_BOUND });
  await machine.query('migrate', { uri: `exec:cat >${part} && mv ${part} ${whole} || mv ${part} ${short}` });
  const problem = await endOfSave(machine, control);
  const isWhole = await isWritten(file);
  control.signal.throwIfAborted();
  if (problem === undefined && isWhole) return;
  const reason = (await isFull(file))
    ? 'no room is left on the host'
    : (problem ?? 'its file was not written');
  throw new BootyardError('snapshot.save', `The memory could not be saved: ${reason}.`);
}

/** Resolves when QEMU saves no more, after a cancel too: with what went wrong. */
async function endOfSave(
  machine: Pick<Machine, 'query'>,
  { signal, progress }: WorkControl,
): Promise<string | undefined> {
  let isCancelled = false;
  for (;;) {
    const { status, ram, ...answer } = Migration.parse(await machine.query('query-migrate'));
    if (status === 'completed') return undefined;
    if (status === 'failed' || status === 'cancelled') return answer['error-desc'] ?? `QEMU says: ${status}`;
    if (ram) {
      const message = `Saving the memory: ${Math.round(ram.transferred / 1e6)} MB`;
      progress({ message, fraction: ram.transferred / (ram.transferred + ram.remaining + 1) });
    }
    if (signal.aborted && !isCancelled) {
      isCancelled = true;
      await machine.query('migrate_cancel');
    }
    await delay(POLL_MS);
  }
}

/** Whether the child has made the file whole; it may have to write the last of what QEMU gave it. */
async function isWritten(file: string): Promise<boolean> {
  const end = Date.now() + LAST_BYTES_MS;
  while (await exists(`${file}.part`)) {
    if (Date.now() > end) return false;
    await delay(POLL_MS);
  }
  return exists(file);
}

async function isFull(file: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(dirname(file));
  return bavail * bsize < FULL;
}

/**
 * Reads memory and devices from `file` into a machine that was started with `-incoming defer`; it is paused then. QEMU
 * ends when it cannot take them. Throws the reason of `signal`.
 */
export async function loadState(machine: Machine, file: string, signal: AbortSignal): Promise<void> {
  await machine.query('migrate-incoming', { uri: `exec:exec cat ${shellWord(file)}` });
  for (;;) {
    const { status } = Migration.parse(await machine.query('query-migrate'));
    if (status === 'completed') return;
    signal.throwIfAborted();
    await delay(POLL_MS);
  }
}

/**
 * A machine that was saved, or whose daemon died over that, goes on; its guest is to be told then. Tries until QEMU answers
 * or `signal` is aborted, and for a minute at most: other work on the node waits behind it. Resolves with false when it was
 * not being saved.
 */
export async function endSave(machine: Machine, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + GIVE_UP_MS;
  while (machine.runs && !signal.aborted && performance.now() < deadline) {
    try {
      const { status } = MachineStatus.parse(await machine.query('query-status'));
      if (!SAVING.has(status)) return false;
      await machine.query('migrate_cancel');
      await machine.query('cont');
      return true;
    } catch {
      // Not connected yet, or it still cancels.
      await delay(POLL_MS * 10, undefined, { signal }).catch(() => undefined);
    }
  }
  return false;
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
