import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import { labState, startLab, stopLab as endLab } from '../lab/launch.ts';
import { NETWORK } from '../lab/network.ts';
import { labPaths, type Paths } from '../state/paths.ts';
import { ApiClient, connect } from './client.ts';
import type { Progress } from './contract.ts';
import type { LabStatus } from './lab.ts';
import { cancelled } from './rpc-error.ts';
import { commandProgram, daemonProgram, nodeRuntime, ownVersion } from './runtime.ts';

export { labPaths, type Paths } from '../state/paths.ts';
export { ownVersion } from './runtime.ts';

export interface LabOptions {
  /** start the lab when it does not run; without it `lab.stopped` is thrown then */
  start: boolean;
  /** the lab's folders; those of `env` by default */
  paths?: Paths;
  /** the environment of this process by default; `paths` must have been made from it */
  env?: NodeJS.ProcessEnv;
  /** the Node program for the daemon; by default BOOTYARD_NODE, then the one that runs this process */
  nodePath?: string;
  /** the daemon's program; by default the one that belongs to this code */
  daemon?: string;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/** How long a daemon that died may take until the keeper has started the next. */
const RESTART_MS = 30_000;
const RETRY_MS = 50;
/** How long `lab.shutdown` may take before the lab is ended without it. */
const SHUTDOWN_MS = 20_000;

/**
 * A connection to the lab's daemon, which is started first if asked for; a daemon that just died is waited for.
 * Throws `lab.stopped`, `lab.start`, `lab.node`, `lab.daemon` or `api.protocol`, each with what to do.
 */
export async function connectToLab(options: LabOptions): Promise<ApiClient> {
  const env = options.env ?? process.env;
  const paths = options.paths ?? labPaths(env);
  let deadline = Date.now() + RESTART_MS;
  for (;;) {
    const client = await tryConnect(paths, options.signal);
    if (client instanceof ApiClient) return client;
    if (labState(paths).state === 'stopped') {
      if (!options.start) throw stopped();
      await start(paths, env, options);
      deadline = Date.now() + RESTART_MS;
    } else if (Date.now() > deadline) {
      throw noDaemon(paths, client);
    } else {
      options.onProgress?.({ message: 'Waiting for the daemon' });
      if (options.signal?.aborted) throw cancelled();
      await delay(RETRY_MS);
    }
  }
}

/** The client, or why there is none yet. */
async function tryConnect(paths: Paths, signal: AbortSignal | undefined): Promise<ApiClient | BootyardError> {
  try {
    return await connect(paths.daemonSocket, { version: ownVersion(), signal });
  } catch (error) {
    const passing = error instanceof BootyardError && ['api.unreachable', 'api.closed'].includes(error.code);
    if (passing) return error;
    throw error;
  }
}

async function start(paths: Paths, env: NodeJS.ProcessEnv, options: LabOptions): Promise<void> {
  options.onProgress?.({ message: 'Starting the lab' });
  const runtime = await nodeRuntime(options.nodePath ?? env.BOOTYARD_NODE, env);
  await startLab(paths, {
    node: runtime.node,
    daemon: options.daemon ?? daemonProgram(),
    porter: commandProgram(),
    env: runtime.env,
  });
}

/**
 * Ends the lab: asks the daemon to end the nodes in good order, then ends whatever is left. Works on a daemon that
 * hangs or is of another version too. Answers false when no lab was running.
 */
export async function stopLab(
  paths: Paths = labPaths(),
  onProgress?: (progress: Progress) => void,
): Promise<boolean> {
  const running = labState(paths).state === 'running';
  if (running) {
    onProgress?.({ message: 'Stopping the lab' });
    await askToShutDown(paths, onProgress);
  }
  await endLab(paths);
  return running;
}

async function askToShutDown(paths: Paths, onProgress?: (progress: Progress) => void): Promise<void> {
  try {
    const client = await connect(paths.daemonSocket, { version: ownVersion() });
    try {
      await client.call('lab.shutdown', {}, { signal: AbortSignal.timeout(SHUTDOWN_MS), onProgress });
    } finally {
      client.dispose();
    }
  } catch (error) {
    onProgress?.({
      message: `The daemon does not shut down in good order (${messageOf(error)}); ending the lab`,
    });
  }
}

/** What the lab does, without starting it. */
export async function labStatus(paths: Paths = labPaths()): Promise<LabStatus> {
  const state = labState(paths);
  if (state.state === 'stopped') return idleStatus('stopped');
  const client = await tryConnect(paths, undefined);
  if (!(client instanceof ApiClient)) return idleStatus('starting');
  try {
    return await client.call('lab.status', {});
  } finally {
    client.dispose();
  }
}

function idleStatus(state: 'stopped' | 'starting'): LabStatus {
  return {
    state,
    acceleration: 'unknown',
    network: { name: NETWORK.name, address: NETWORK.address },
    nodes: { booted: 0, total: 0 },
  };
}

function stopped(): BootyardError {
  return new BootyardError('lab.stopped', 'The lab is not running: start it with `bootyard lab start`.');
}

function noDaemon(paths: Paths, error: BootyardError): BootyardError {
  const sentence = `The lab runs, but its daemon does not come back (${error.message.replace(/\.$/, '')}): see ${paths.daemonLog}, then run \`bootyard lab stop && bootyard lab start\`.`;
  return new BootyardError('lab.daemon', sentence, { log: paths.daemonLog });
}
