import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, systemCode } from '../errors.ts';
import type { Paths } from '../state/paths.ts';
import { isRunning, processStat, type ProcessIdentity } from './host-process.ts';
import { labFiles, runningLab } from './lab-state.ts';
import { routerFiles } from './router.ts';
import { doorFiles } from './uplink.ts';

const POLL_MS = 20;
/** How long the keeper may take to end its daemon in good order, and then the kernel to end the rest. */
const GRACE_MS = 5_000;
const KILL_MS = 10_000;

/**
 * Ends the lab: the keeper, and with it, by the kernel's hand, every process of the lab; its taps, bridge and mounts go
 * with the last of them. Resolves when all is gone; does nothing when no lab runs. Call it from outside the lab.
 * Throws `lab.stop` when a process cannot be ended (one that hangs in the kernel).
 */
export async function stopLab(paths: Paths): Promise<void> {
  const lab = runningLab(paths);
  if (lab !== undefined) {
    const namespace = pidNamespace(lab.keeper.pid);
    // The kernel lets PID 1 of a namespace, the keeper, end after all others; the namespace's number may be another's then.
    const gone = () => ended(lab.keeper) && ended(lab.unshare);
    signal(lab.keeper, 'SIGTERM');
    if (!(await until(gone, GRACE_MS))) {
      signal(lab.keeper, 'SIGKILL');
      if (!(await until(gone, KILL_MS))) throw stopError([lab.keeper.pid, ...membersOf(namespace)]);
    }
  }
  await removeFiles(paths);
}

// Only under the lab's lock: another caller may be starting the next lab already, and then the files are its own.
const REMOVE_SCRIPT = `
exec 9>>"$1"
flock --nonblock 9 || exit 0
hostproc=$2; shift 2
rm -f "$@"
[ ! -d "$hostproc" ] || rmdir "$hostproc"`;

async function removeFiles(paths: Paths): Promise<void> {
  const files = labFiles(paths);
  const others = [...Object.values(routerFiles(paths.run)), ...Object.values(doorFiles(paths.run))];
  const mortal = [
    paths.daemonSocket,
    paths.portsSocket,
    files.lab,
    files.daemon,
    files.failures,
    files.bell,
    ...others,
  ];
  const child = spawn('sh', ['-c', REMOVE_SCRIPT, 'remove', files.lock, files.hostProc, ...mortal], {
    stdio: 'ignore',
  });
  await once(child, 'exit');
}

function signal(target: ProcessIdentity, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isRunning(target)) return;
  try {
    process.kill(target.pid, name);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

/** Gone from the process table, or a zombie that waits for a parent that is not ours. */
function ended(identity: ProcessIdentity): boolean {
  return !isRunning(identity);
}

function pidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (error) {
    // Zombies have no namespaces any more; other users' processes do not show theirs.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

function membersOf(namespace: string | undefined): number[] {
  if (namespace === undefined) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pidNamespace(pid) === namespace && processStat(pid, '/proc')?.state !== 'Z');
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

function stopError(pids: number[]): BootyardError {
  const list = [...new Set(pids)].join(', ');
  return new BootyardError(
    'lab.stop',
    `The lab does not end: processes ${list} hang in the kernel; look at them with "ps -o pid,stat,wchan,args -p ${list.replaceAll(' ', '')}".`,
    { pids },
  );
}
