import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { BootyardError } from '../errors.ts';

/** Where one lab keeps its files. All are absolute; the folders are made by `ensurePaths`. */
export interface Paths {
  /** images, keys, node disks: kept for good */
  readonly data: string;
  /** database and logs: kept for good */
  readonly state: string;
  /** sockets and process ids: gone after a reboot of the host; mode 0700 and a short path (108 bytes for a socket) */
  readonly run: string;
  readonly images: string;
  readonly keys: string;
  readonly nodes: string;
  readonly database: string;
  readonly daemonLog: string;
  readonly daemonSocket: string;
  /** where processes of the host get connections to nodes */
  readonly portsSocket: string;
}

/** The folders that belong to `$BOOTYARD_HOME`, or to the user's XDG folders when it is not set. */
export function labPaths(env: NodeJS.ProcessEnv = process.env): Paths {
  const home = env.BOOTYARD_HOME ? resolve(env.BOOTYARD_HOME) : undefined;
  const userHome = env.HOME ?? homedir();
  const data = home
    ? join(home, 'data')
    : join(env.XDG_DATA_HOME || join(userHome, '.local/share'), 'bootyard');
  const state = home
    ? join(home, 'state')
    : join(env.XDG_STATE_HOME || join(userHome, '.local/state'), 'bootyard');
  const run = join(
    runtimeFolder(env),
    home ? createHash('sha256').update(home).digest('hex').slice(0, 8) : '',
  );
  return {
    data,
    state,
    run,
    images: join(data, 'images'),
    keys: join(data, 'keys'),
    nodes: join(data, 'nodes'),
    database: join(state, 'bootyard.db'),
    daemonLog: join(state, 'daemon.log'),
    daemonSocket: join(run, 'daemon.sock'),
    portsSocket: join(run, 'ports.sock'),
  };
}

function runtimeFolder(env: NodeJS.ProcessEnv): string {
  const uid = userInfo().uid;
  // A lab's own namespace sees uid 0, so the launcher hands the folder down by BOOTYARD_RUNTIME_DIR.
  if (env.BOOTYARD_RUNTIME_DIR) return env.BOOTYARD_RUNTIME_DIR;
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'bootyard');
  if (existsSync(`/run/user/${uid}`)) return `/run/user/${uid}/bootyard`;
  return `/tmp/bootyard-${uid}`;
}

/** Makes the folders; refuses a runtime folder that belongs to somebody else. */
export function ensurePaths(paths: Paths): void {
  for (const folder of [paths.data, paths.state, paths.images, paths.nodes]) {
    mkdirSync(folder, { recursive: true });
  }
  for (const folder of [paths.keys, paths.run]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const owner = statSync(paths.run).uid;
  if (process.getuid && owner !== process.getuid()) {
    throw new BootyardError(
      'paths.owner',
      `${paths.run} belongs to user ${owner}, not to you: remove it or set XDG_RUNTIME_DIR to a folder of your own.`,
    );
  }
}
