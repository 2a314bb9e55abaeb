import { randomBytes } from 'node:crypto';
import type { Machine, MachinePlace } from '../machine.ts';
import { ControlLine } from './control-line.ts';
import { endSave, type WorkControl } from './machine-state.ts';

/** A guest that does not listen on its control line is not waited for longer. */
const ANSWER_MS = 5_000;
/** A guest may have much to write to /persist. */
const PREPARE_MS = 60_000;

/**
 * Before a machine is paused to be saved: its guest writes to /persist what it has not yet written, and gives back the
 * server's swap space, which it gets again by `tellResumed`. Resolves with the reason when it cannot be saved. One that
 * does not listen is saved as it is. Throws the reason of the signal.
 */
export async function prepareGuest(
  { controlSocket }: MachinePlace,
  { signal, progress }: WorkControl,
): Promise<string | undefined> {
  const line = await ControlLine.open(controlSocket).catch(() => undefined);
  if (!line) return undefined;
  try {
    line.prepare();
    if ((await line.hear(/^preparing$/, ANSWER_MS, signal)) === undefined) return undefined;
    progress({ message: 'Waiting for its system to write to /persist' });
    const answer = await line.hear(/^(done|swapped \d+)$/, PREPARE_MS, signal);
    if (answer === 'done') return undefined;
    if (answer === undefined) {
      return `its system was not ready for that within ${PREPARE_MS / 1000} s: it may have much to write to /persist`;
    }
    const megabytes = Math.ceil(Number(answer.split(' ')[1]) / 1024);
    return `${megabytes} MB of its memory are in swap space of the server, which snapshots do not hold: end what uses so much, then \`swapoff /dev/nbd0\` in it`;
  } finally {
    line.close();
  }
}

/**
 * Tells the guest that it goes on after a pause, or from another time: it sets its clock, and then connects to the server
 * anew. Resolves with false when the guest does not listen.
 */
export async function tellResumed({ controlSocket }: MachinePlace, isRestored: boolean): Promise<boolean> {
  try {
    const line = await ControlLine.open(controlSocket);
    try {
      line.resumed(isRestored, randomBytes(32).toString('hex'));
      return (await line.hear(/^done$/, ANSWER_MS)) !== undefined;
    } finally {
      line.close();
    }
  } catch {
    return false;
  }
}

/**
 * A machine that was to be saved, also by a daemon that died, goes on and is told. `wasPreparing`: told also when it was
 * not paused, because its guest may have given back its swap space.
 */
export async function goOnAfterSave(
  machine: Machine,
  place: MachinePlace,
  wasPreparing: boolean,
  signal: AbortSignal,
): Promise<void> {
  if ((await endSave(machine, signal)) || wasPreparing) await tellResumed(place, false);
}
