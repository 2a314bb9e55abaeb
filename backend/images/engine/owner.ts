import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { isRunning, processStat } from '../../lab/host-process.ts';

/** Lab and machine, boot, PID namespace, process and its start, something random. */
const MARK = /^([0-9a-f]{12})-([0-9a-f]{8})-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/;

/** Part of a name in an engine that tells whose it is: this process's; `lab`: folder of the lab's images. */
export function ownerMark(lab: string, randomSize: number): string {
  const start = processStat(process.pid, '/proc')?.start ?? 0;
  const random = randomBytes(randomSize).toString('hex');
  return [place(lab), boot().slice(0, 8), pidNamespace(), process.pid, start, random].join('-');
}

/**
 * The process of this lab that made it ended without removing it. Never of other labs: their processes may be another
 * user's, and hidden from this one.
 */
export function isLeftBehind(mark: string, lab: string): boolean {
  const [, ofLab, ofBoot, namespace, pid, start] = MARK.exec(mark) ?? [];
  if (ofLab !== place(lab)) return false;
  if (ofBoot !== boot().slice(0, 8)) return true;
  // Processes of another PID namespace cannot be seen.
  return namespace === pidNamespace() && !isRunning({ pid: Number(pid), start: Number(start) }, '/proc');
}

function place(lab: string): string {
  // One without an id is another machine after each boot.
  const machine = read('/etc/machine-id') || boot();
  return createHash('sha256').update(`${machine} ${lab}`).digest('hex').slice(0, 12);
}
function boot(): string {
  return read('/proc/sys/kernel/random/boot_id');
}
/** Its inode. */
function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
