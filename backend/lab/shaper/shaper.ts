import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import { findKept, spawnKept, watchKept, type KeptExit } from '../kept-process.ts';
import type { ShapedCard } from './sockets.ts';

export { shaperSockets, type ShapedCard } from './sockets.ts';

const START_MS = 30_000;
const POLL_MS = 20;

/** The shaper's files in a node's folder. */
function filesIn(folder: string) {
  return {
    pidFile: join(folder, 'shaper.pid'),
    exitFile: join(folder, 'shaper.exit'),
    logFile: join(folder, 'shaper.log'),
  };
}

/**
 * Starts the process that shapes these cards, in place of an earlier one, and resolves when QEMU can connect. It ends
 * with QEMU. Throws `lab.shaper` when it does not start.
 */
export async function startShaper(cards: readonly ShapedCard[], folder: string): Promise<void> {
  const files = filesIn(folder);
  await endShaper(folder);
  rmSync(files.logFile, { force: true });
  // A heap for little more than the frames' descriptions: their bytes are outside, and bounded by the shaper itself.
  const program = [process.execPath, '--max-semi-space-size=8', '--max-old-space-size=128', shaperProgram()];
  await spawnKept([...program, JSON.stringify(cards)], files);
  const deadline = Date.now() + START_MS;
  for (;;) {
    const said = textOf(files.logFile);
    if (said.startsWith('listening')) return;
    if (findKept(files) === undefined || Date.now() > deadline) {
      await endShaper(folder);
      const why = textOf(files.logFile).trim().split('\n').at(-1) || 'it does not say why';
      throw new BootyardError(
        'lab.shaper',
        `The process that shapes the node's links did not start: ${why}.`,
      );
    }
    await delay(POLL_MS);
  }
}

/** Ends the shaper if one runs; resolves when it is gone. */
export async function endShaper(folder: string): Promise<void> {
  const files = filesIn(folder);
  const running = findKept(files);
  if (running === undefined) return;
  try {
    process.kill(running.pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
  await watchKept(files);
}

/** Resolves when the node's shaper has ended, whoever started it: undefined when there was none, or on abort. */
export async function shaperEnd(folder: string, signal: AbortSignal): Promise<KeptExit | undefined> {
  const files = filesIn(folder);
  if (findKept(files) === undefined) return undefined;
  return await watchKept(files, signal).catch(() => undefined);
}

/** Beside the bundle that runs, or in the sources when these run. */
function shaperProgram(): string {
  const here = import.meta.dirname;
  const found = [join(here, 'shaper.cjs'), join(here, 'main.ts')].find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new BootyardError('lab.install', `${join(here, 'shaper.cjs')} is missing: install Bootyard again.`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? '' : messageOf(error);
  }
}
