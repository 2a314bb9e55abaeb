import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import { ensurePaths, labPaths, type Paths } from '../state/paths.ts';
import { daemonFailures, labFiles, labState, type LabProcesses } from './lab-state.ts';
import { LogMark } from './log-mark.ts';
import { toolPath } from './program.ts';
import { acceptsConnections } from './socket.ts';
import { stopLab } from './stop.ts';
import { UNSHARE_ARGUMENTS } from './unshare.ts';

export { enterArgv } from './enter.ts';
export { labState, type LabProcesses, type LabState } from './lab-state.ts';
export { stopLab } from './stop.ts';

export interface StartOptions {
  /** the Node program that runs the daemon */
  node: string;
  /** the daemon's script */
  daemon: string;
  /** the script that opens ports of the host (with `__ports`); without it nobody does */
  porter?: string;
  /** the daemon's environment; the caller's by default */
  env?: NodeJS.ProcessEnv;
  /** how long the daemon may take until it accepts connections; 30 s by default */
  timeoutMs?: number;
}
export interface StartedLab extends LabProcesses {
  /** false when the lab was already there (or another caller started it at the same time) */
  started: boolean;
}

const LOCK_HELD = 75;
const FAILURES_ALLOWED = 3;
const POLL_MS = 30;
/** A Unix socket's address holds 108 bytes with its end mark (unix(7)). */
const SOCKET_PATH_BYTES = 107;

/**
 * Starts the lab of these folders unless it runs already, and resolves when its daemon accepts connections.
 * One lab per folder set however many callers start it at once: the lock is held by unshare and the keeper, so it goes
 * with them. Throws `lab.start` with the daemon's last words; nothing of the lab is left then.
 */
export async function startLab(paths: Paths, options: StartOptions): Promise<StartedLab> {
  checkSocketPath(paths);
  ensurePaths(paths);
  const deadline = Date.now() + (options.timeoutMs ?? 30_000);
  const mark = new LogMark(paths.daemonLog);
  let launched: Launch | undefined;
  for (;;) {
    if (launched === undefined && labState(paths).state === 'stopped') launched = launch(paths, options);
    // Another caller holds the lock: wait for that lab, or take over when it ends.
    if (launched?.exitCode === LOCK_HELD) launched = undefined;
    const trouble = launched === undefined ? undefined : troubleOf(launched, paths);
    if (trouble !== undefined) throw await failure(paths, trouble, mark);
    const state = labState(paths);
    if (state.state === 'running' && (await acceptsConnections(paths.daemonSocket))) {
      return { ...state, started: launched !== undefined };
    }
    if (Date.now() > deadline) {
      const trouble = 'its daemon does not accept connections';
      throw launched ? await failure(paths, trouble, mark) : startError(trouble, mark);
    }
    await delay(POLL_MS);
  }
}

/** A running unshare; `exitCode` as soon as it has ended. */
interface Launch {
  exitCode: number | undefined;
  error: Error | undefined;
}

// The lab cannot open ports of the host. So a shell waits on the host's side for the daemon to ring, and starts the process
// that does it; descriptor 8 goes into the lab, so that the shell reads to an end, and goes, when the lab has gone.
// Stale files go while the lock is held and before the keeper exists, so no reader takes them for the new lab's.
const LAUNCH_SCRIPT = `
lock=$1 sock=$2 lab=$3 daemon=$4 failures=$5 bell=$6; shift 6
exec 9>>"$lock"
flock --nonblock 9 || exit ${LOCK_HELD}
rm -f "$sock" "$lab" "$daemon" "$failures" "$bell"
mkfifo -m 600 "$bell" && exec 8<>"$bell" 7<"$bell" || exit
[ -z "$BOOTYARD_PORTER" ] || sh -c 'while read -r x; do "$BOOTYARD_NODE" "$BOOTYARD_PORTER" __ports </dev/null || sleep 1; done' <&7 7<&- 8>&- 9>&- &
exec 7<&-
exec unshare "$@"`;
// The door is started before the keeper leaves the host's network; the keeper becomes PID 1 in its place, and reaps it.
const FIRST_SCRIPT = `
sh "$0" 9>&- &
exec unshare --net -- sh "$1"`;

function launch(paths: Paths, options: StartOptions): Launch {
  const files = labFiles(paths);
  const log = openSync(paths.daemonLog, 'a', 0o600);
  const stale = [paths.daemonSocket, files.lab, files.daemon, files.failures, files.bell];
  const scripts = [script('door.sh'), script('keeper.sh')];
  const keeper = [...UNSHARE_ARGUMENTS, 'sh', '-c', FIRST_SCRIPT, ...scripts];
  const child = spawn('sh', ['-c', LAUNCH_SCRIPT, 'launch', files.lock, ...stale, ...keeper], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: {
      ...labEnvironment(paths, options.env ?? process.env),
      BOOTYARD_NODE: options.node,
      BOOTYARD_DAEMON: options.daemon,
      BOOTYARD_PORTER: options.porter ?? '',
      BOOTYARD_RUN: paths.run,
      BOOTYARD_LOG: paths.daemonLog,
      BOOTYARD_HOST_PROC: files.hostProc,
    },
  });
  closeSync(log);
  const launched: Launch = { exitCode: undefined, error: undefined };
  child.on('error', (error) => (launched.error = error));
  child.on('exit', (code) => (launched.exitCode = code ?? -1));
  child.unref();
  return launched;
}

function troubleOf(launched: Launch, paths: Paths): string | undefined {
  if (launched.error) return `sh cannot be started (${messageOf(launched.error)})`;
  if (launched.exitCode !== undefined) return 'its namespaces cannot be made, see "bootyard doctor"';
  if (daemonFailures(paths) >= FAILURES_ALLOWED) return 'its daemon ends as soon as it starts';
  return undefined;
}

async function failure(paths: Paths, trouble: string, mark: LogMark): Promise<BootyardError> {
  const error = startError(trouble, mark);
  await stopLab(paths);
  return error;
}

function startError(trouble: string, mark: LogMark): BootyardError {
  const words = mark.lastLines(3);
  const said = words === '' ? '' : `; last words in ${mark.file}: ${words}`;
  return new BootyardError('lab.start', `The lab cannot start: ${trouble}${said}`, { log: mark.file });
}

/**
 * The environment that gives a process inside the lab the same folders: it is uid 0 there, so the run folder is handed
 * down.
 */
function labEnvironment(paths: Paths, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const candidates = [paths.run, dirname(paths.run)];
  const runtime = candidates.find(
    (folder) => labPaths({ ...env, BOOTYARD_RUNTIME_DIR: folder }).run === paths.run,
  );
  if (runtime === undefined) {
    throw new BootyardError(
      'lab.environment',
      `The environment given for the daemon does not lead to the run folder ${paths.run}: give the one its paths were made from.`,
    );
  }
  return { ...env, PATH: toolPath(env.PATH), BOOTYARD_RUNTIME_DIR: runtime };
}

function script(name: string): string {
  const file = join(import.meta.dirname, name);
  if (existsSync(file)) return file;
  throw new BootyardError('lab.install', `${file} is missing: install Bootyard again.`);
}

function checkSocketPath(paths: Paths): void {
  if (Buffer.byteLength(paths.daemonSocket) <= SOCKET_PATH_BYTES) return;
  throw new BootyardError(
    'lab.path',
    `The socket path ${paths.daemonSocket} is longer than ${SOCKET_PATH_BYTES} bytes: set XDG_RUNTIME_DIR to a shorter folder.`,
  );
}
