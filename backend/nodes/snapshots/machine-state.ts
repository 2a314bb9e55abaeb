import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BootyardError } from '../../errors.ts';
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
/** QEMU's own bound is made for links that others use too. Bytes per second. */
const NO_BOUND = 2 ** 40;
/** States of a machine that is being saved, or was and has not gone on. */
const SAVING = new Set(['paused', 'postmigrate', 'finish-migrate', 'save-vm']);

/**
 * Writes memory and devices of a paused machine into `file`, as QEMU's migration stream. The stream is taken by a child of
 * QEMU, not by the daemon, whose end would break it off. Throws `snapshot.save` with QEMU's reason, or the reason of the
 * signal; the file is then worth nothing.
 */
export async function saveState(machine: Machine, file: string, control: WorkControl): Promise<void> {
  await machine.query('migrate-set-parameters', { 'max-bandwidth': NO_BOUND });
  await machine.query('migrate', { uri: `exec:exec cat >${shellWord(file)}` });
  for (;;) {
    const { status, ram, ...answer } = Migration.parse(await machine.query('query-migrate'));
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new BootyardError(
        'snapshot.save',
        `The memory could not be saved: ${answer['error-desc'] ?? 'the file could not be written'}.`,
      );
    }
    if (ram) {
      const message = `Saving the memory: ${Math.round(ram.transferred / 1e6)} MB`;
      control.progress({ message, fraction: ram.transferred / (ram.transferred + ram.remaining + 1) });
    }
    if (control.signal.aborted) {
      await machine.query('migrate_cancel');
      control.signal.throwIfAborted();
    }
    await delay(POLL_MS);
  }
}

/**
 * Reads memory and devices from `file` into a machine that was started with `-incoming defer`; it is paused then. QEMU
 * ends when it cannot take them.
 */
export async function loadState(machine: Machine, file: string): Promise<void> {
  await machine.query('migrate-incoming', { uri: `exec:exec cat ${shellWord(file)}` });
  for (;;) {
    const { status } = Migration.parse(await machine.query('query-migrate'));
    if (status === 'completed') return;
    await delay(POLL_MS);
  }
}

/**
 * A machine whose daemon died while it was saved goes on; its guest is to be told then. Tries until QEMU answers or `signal`
 * is aborted. Resolves with false when it was not being saved.
 */
export async function endInterruptedSave(machine: Machine, signal: AbortSignal): Promise<boolean> {
  while (machine.runs && !signal.aborted) {
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
