import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, systemCode } from '../../errors.ts';
import { installCommand } from '../../lab/host-packages.ts';
import { findKept, type KeptFiles, spawnKept, watchKept } from '../../lab/kept-process.ts';
import { findProgram } from '../../lab/program.ts';

/** Files of one capture. */
export interface CapturePlace extends KeptFiles {
  /** its own messages */
  logFile: string;
  pcap: string;
}

const START_MS = 10_000;
const POLL_MS = 20;
const END_MS = 5_000;

/** Throws `capture.program` when this host has no perl. */
export function requireProgram(): void {
  if (findProgram('perl') !== undefined) return;
  throw new BootyardError(
    'capture.program',
    `Packets cannot be captured: there is no perl on this host. Install it: ${installCommand(['capture'])}`,
  );
}

/**
 * Starts capturing; resolves when every packet from now on is seen. The process outlives the daemon, and ends with its
 * interface. Throws `capture.start` with the reason.
 */
export async function startCapture(tap: string, maxBytes: number, place: CapturePlace): Promise<void> {
  requireProgram();
  const program = join(import.meta.dirname, 'capture.pl');
  await spawnKept(['perl', program, tap, String(maxBytes), place.pcap], place);
  const deadline = Date.now() + START_MS;
  while (!said(place).startsWith('listening')) {
    if (!isCapturing(place) || Date.now() > deadline) {
      await endCapture(place);
      throw new BootyardError('capture.start', `No packets can be captured: ${lastWords(place)}.`);
    }
    await delay(POLL_MS);
  }
}

export function isCapturing(place: CapturePlace): boolean {
  return findKept(place) !== undefined;
}

/** Ends a capture, which first takes the packets that have come; resolves when its file is whole. */
export async function endCapture(place: CapturePlace): Promise<void> {
  if (!isCapturing(place)) return;
  signalTo(place, 'SIGTERM');
  const timer = setTimeout(() => signalTo(place, 'SIGKILL'), END_MS);
  await watchKept(place);
  clearTimeout(timer);
}

/** Resolves when the capture has ended, whoever ended it: with the reason when it failed. Rejects with that of `signal`. */
export async function captureEnd(place: CapturePlace, signal: AbortSignal): Promise<string | undefined> {
  const { code } = await watchKept(place, signal);
  return code === 0 || code === null ? undefined : lastWords(place);
}

/** Packets that the kernel had no room for, as it tells at its end. */
export function lostPackets(place: CapturePlace): number {
  return Number(/^missed (\d+)$/m.exec(said(place))?.[1] ?? 0);
}

function lastWords(place: CapturePlace): string {
  return said(place).trim().split('\n').at(-1) || 'it does not say why';
}

function signalTo(place: CapturePlace, signal: NodeJS.Signals): void {
  const running = findKept(place);
  if (running === undefined) return;
  try {
    process.kill(running.pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function said(place: CapturePlace): string {
  try {
    return readFileSync(place.logFile, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
