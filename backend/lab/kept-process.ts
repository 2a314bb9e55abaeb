import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, watch } from 'node:fs';
import { constants as systemConstants } from 'node:os';
import { basename, dirname } from 'node:path';
import { BootyardError, systemCode } from '../errors.ts';
import { isRunning, type ProcessIdentity } from './host-process.ts';
import { findProgram } from './program.ts';

/**
 * Processes that outlive the daemon. Each has a small shell of its own as parent, which is PID 1's child: the shell
 * writes down how the process ended, whether or not a daemon runs at that moment.
 */
export interface KeptFiles {
  /** `<pid> <start>`: number in the lab's PID namespace, start time in clock ticks (proc(5) stat, field 22) */
  pidFile: string;
  /** the exit status as the shell counts it, written in one step when the process has ended */
  exitFile: string;
}
export interface KeptOptions extends KeptFiles {
  /** takes standard output and standard error, appended */
  logFile: string;
  cwd?: string;
}
export interface KeptExit {
  /** exit code, or null when a signal ended it (or nothing is known) */
  code: number | null;
  /** name of the signal, or null; both null: the process went without a word, as all do when their lab ends */
  signal: string | null;
}

const POLL_MS = 200;
const START_MS = 10_000;
/** How long the shell may take to write the exit file once the process is gone. */
const RECORD_MS = 1_000;

// The process writes its own number before it becomes argv, so a reader never meets another process behind that number.
const PROCESS_SCRIPT = `
read -r pid x x x x x x x x x x x x x x x x x x x x start x </proc/self/stat
echo "$pid $start" >"$0.new" && mv -f "$0.new" "$0" && exec "$@"`;
const PARENT_SCRIPT = `
pidfile=$1 exitfile=$2 log=$3 process=$4; shift 4
sh -c "$process" "$pidfile" "$@" >>"$log" 2>&1
echo $? >"$exitfile.new" && mv -f "$exitfile.new" "$exitfile"`;

/**
 * Starts `argv` in a session of its own below PID 1 and resolves with its number in this PID namespace. Files of an
 * earlier process under the same names are replaced. Throws `lab.command` when the program is not to be found,
 * `lab.kept` when it cannot be started.
 */
export async function spawnKept(argv: readonly string[], options: KeptOptions): Promise<{ pid: number }> {
  const program = requireProgram(argv[0] ?? '');
  rmSync(options.pidFile, { force: true });
  rmSync(options.exitFile, { force: true });
  const scriptArguments = [options.pidFile, options.exitFile, options.logFile, PROCESS_SCRIPT];
  const parent = ['sh', '-c', PARENT_SCRIPT, 'parent', ...scriptArguments, program, ...argv.slice(1)];
  const started = appears(options.pidFile);
  const ended = appears(options.exitFile);
  try {
    // setsid forks and ends, which hands the parent shell to PID 1. (A shell's "&" would make it all deaf to SIGINT.)
    const child = spawn('setsid', ['--fork', ...parent], { cwd: options.cwd ?? '/', stdio: 'ignore' });
    await once(child, 'exit');
    await Promise.race([started.seen(START_MS), ended.seen(START_MS)]);
  } finally {
    started.close();
    ended.close();
  }
  const identity = readKept(options);
  if (identity !== undefined) return { pid: identity.pid };
  throw new BootyardError(
    'lab.kept',
    `${program} was not started: ${dirname(options.pidFile)} or ${dirname(options.logFile)} cannot be written.`,
  );
}

/** Whether a process of this PID namespace runs; a zombie does not. */
export function isAlive(process: number | KeptFiles): boolean {
  if (typeof process !== 'number') {
    const identity = readKept(process);
    return identity !== undefined && isRunning(identity, '/proc');
  }
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.charAt(stat.lastIndexOf(')') + 2));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

/** The process behind the files if it still runs: what a new daemon adopts. Files of an earlier lab lead to undefined. */
export function findKept(files: KeptFiles): { pid: number } | undefined {
  const identity = readKept(files);
  return identity !== undefined && isRunning(identity, '/proc') ? { pid: identity.pid } : undefined;
}

/**
 * Resolves when the process behind the files has ended (at once when it has already), whoever started it. Rejects only
 * with the reason of `signal`.
 */
export async function watchKept(files: KeptFiles, signal?: AbortSignal): Promise<KeptExit> {
  const recorded = appears(files.exitFile, signal);
  try {
    while (isAlive(files)) {
      signal?.throwIfAborted();
      await recorded.seen(POLL_MS);
    }
    if (readExit(files) === undefined) await recorded.seen(RECORD_MS);
    signal?.throwIfAborted();
    return readExit(files) ?? { code: null, signal: null };
  } finally {
    recorded.close();
  }
}

function readKept(files: KeptFiles): ProcessIdentity | undefined {
  const [pid, start] = (readText(files.pidFile) ?? '').trim().split(' ').map(Number);
  return pid === undefined || start === undefined || !(pid > 0) || Number.isNaN(start)
    ? undefined
    : { pid, start };
}

function readExit(files: KeptFiles): KeptExit | undefined {
  const text = readText(files.exitFile)?.trim();
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const status = Number(text);
  const name = Object.entries(systemConstants.signals).find(([, number]) => number === status - 128)?.[0];
  return name === undefined ? { code: status, signal: null } : { code: null, signal: name };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Watches for one file to be moved into place. `seen` resolves when it is there, when time is up, on abort or on close. */
function appears(file: string, signal?: AbortSignal) {
  const there = Promise.withResolvers<void>();
  const settle = () => there.resolve();
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === basename(file) && readText(file) !== undefined) settle();
  });
  // A folder that cannot be watched any more leaves the poll.
  watcher.on('error', () => undefined);
  signal?.addEventListener('abort', settle, { once: true });
  if (signal?.aborted || readText(file) !== undefined) settle();
  return {
    async seen(timeoutMs: number): Promise<void> {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, timeoutMs);
      await Promise.race([there.promise, late.promise]);
      clearTimeout(timer);
    },
    close(): void {
      settle();
      watcher.close();
      signal?.removeEventListener('abort', settle);
    },
  };
}

/** Found here, because a shell would only say "not found" into the log. */
function requireProgram(name: string): string {
  const found = findProgram(name);
  if (found !== undefined) return found;
  throw new BootyardError(
    'lab.command',
    `The program "${name}" is not to be found: "bootyard doctor" says which package has it.`,
  );
}
