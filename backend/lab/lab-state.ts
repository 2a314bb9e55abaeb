import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../errors.ts';
import type { Paths } from '../state/paths.ts';
import { isRunning, ProcessIdentity } from './host-process.ts';

/** What keeper.sh writes of a lab when it starts. */
const LabRecord = z.object({
  /** the host's boot: numbers of an earlier one mean nothing */
  boot: z.string(),
  keeper: ProcessIdentity,
  unshare: ProcessIdentity,
});
export type LabRecord = z.infer<typeof LabRecord>;

export interface LabProcesses {
  /** all as the host numbers them */
  unshare: number;
  keeper: number;
  /** undefined for the moment between the death of one daemon and the start of the next */
  daemon: number | undefined;
}
export type LabState = { state: 'stopped' } | ({ state: 'running' } & LabProcesses);

/** Files of the run folder that belong to one lab's life. */
export function labFiles(paths: Paths) {
  return {
    lock: join(paths.run, 'lab.lock'),
    lab: join(paths.run, 'lab.json'),
    daemon: join(paths.run, 'daemon.json'),
    failures: join(paths.run, 'daemon.failures'),
    bell: join(paths.run, 'ports.bell'),
    hostProc: join(paths.run, 'hostproc'),
  };
}

/** The lab of these folders: running as long as its keeper lives. Works outside the lab and in it. */
export function labState(paths: Paths): LabState {
  const record = runningLab(paths);
  if (record === undefined) return { state: 'stopped' };
  const daemon = readRecord(labFiles(paths).daemon, ProcessIdentity);
  return {
    state: 'running',
    unshare: record.unshare.pid,
    keeper: record.keeper.pid,
    daemon: daemon !== undefined && isRunning(daemon) ? daemon.pid : undefined,
  };
}

/** The record of the lab if its keeper lives. */
export function runningLab(paths: Paths): LabRecord | undefined {
  const record = readRecord(labFiles(paths).lab, LabRecord);
  if (record === undefined || record.boot !== bootId() || !isRunning(record.keeper)) return undefined;
  return record;
}

/** How often in a row the daemon died within seconds of its start. */
export function daemonFailures(paths: Paths): number {
  return readRecord(labFiles(paths).failures, z.number()) ?? 0;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** A file that is absent or that no keeper wrote counts as no record. */
function readRecord<T extends z.ZodType>(file: string, schema: T): z.output<T> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
