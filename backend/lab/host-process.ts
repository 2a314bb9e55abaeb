import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { systemCode } from '../errors.ts';

/** One process for certain: its number on the host, and its start time in clock ticks, which tells it from a later user of the number. */
export const ProcessIdentity = z.object({ pid: z.number().int().positive(), start: z.number() });
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

/** The host's /proc: inside a lab it is mounted beside the lab's own (see keeper.sh). */
export function hostProc(): string {
  return process.env.BOOTYARD_HOST_PROC ?? '/proc';
}

/** The calling process as the host numbers it; the same as `process.pid` outside a lab. */
export function ownHostPid(): number {
  const stat = readFileSync(`${hostProc()}/self/stat`, 'latin1');
  return Number.parseInt(stat, 10);
}

/**
 * State letter and start time of a process (proc(5), fields 3 and 22 of `stat`), or undefined when there is none.
 * The command name (field 2) may hold spaces and brackets, so fields are counted after its last bracket.
 */
export function processStat(pid: number, proc: string): { state: string; start: number } | undefined {
  const text = readProc(`${proc}/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const start = Number(fields[19]);
  return state === undefined || !Number.isFinite(start) ? undefined : { state, start };
}

/** A zombie counts as dead: nothing of it runs any more. */
export function isRunning(identity: ProcessIdentity, proc = hostProc()): boolean {
  const stat = processStat(identity.pid, proc);
  return stat !== undefined && stat.start === identity.start && stat.state !== 'Z' && stat.state !== 'X';
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
