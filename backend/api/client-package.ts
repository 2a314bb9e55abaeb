// What the npm package `bootyard-client` (client/) exports: the API's client, as the command line and the editor use it.
import { BootyardError } from '../errors.ts';
import { labPaths } from '../state/paths.ts';
import { type CommandOutcome, runBounded } from './agent-tools/run-command.ts';
import { type ApiClient, type CallOptions, connect } from './client.ts';

export { BootyardError } from '../errors.ts';
export { consoleText } from './agent-tools/console-text.ts';
export type { CommandOutcome, Kept } from './agent-tools/run-command.ts';
export type { BootSummary, ExplainedBoot, Timeline } from './boots.ts';
export type { Change } from './change.ts';
export { ApiClient } from './client.ts';
export type { CallOptions, ClientStream, StateListener, StateSnapshot } from './client.ts';
export { methods } from './contract.ts';
export type { MethodName, Methods, Params, Progress, Result } from './contract.ts';
export type { Finding, ImageInfo } from './image.ts';
export type { LabStatus } from './lab.ts';
export type { NodeInfo, NodeState } from './node.ts';

/** Replaced by the build. */
declare const BOOTYARD_VERSION: string;

/**
 * A connection to the lab that runs, the one that `BOOTYARD_HOME` of `env` names. Throws `lab.stopped` when none does, and
 * `api.protocol` when it is of another version.
 */
export async function connectToLab(
  options: { env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {},
): Promise<ApiClient> {
  const { daemonSocket } = labPaths(options.env);
  try {
    return await connect(daemonSocket, { version: BOOTYARD_VERSION, signal: options.signal });
  } catch (error) {
    if (!(error instanceof BootyardError) || error.code !== 'api.unreachable') throw error;
    const sentence = 'The lab is not running: start it with `bootyard lab start`.';
    throw new BootyardError('lab.stopped', sentence, { socket: daemonSocket });
  }
}

/**
 * Runs a shell command as root in a booted node; `exitCode` is null when `timeoutSeconds` (60) were over. Of each output
 * that is longer than `maxBytes` (1 MiB) the middle is left out. Throws `call.cancelled` when the signal is aborted.
 */
export async function runInNode(
  client: ApiClient,
  node: string,
  command: string,
  options: Pick<CallOptions, 'signal'> & { timeoutSeconds?: number; maxBytes?: number } = {},
): Promise<CommandOutcome> {
  const { signal = new AbortController().signal, timeoutSeconds = 60, maxBytes = 1_048_576 } = options;
  const { argv } = await client.call('node.shellCommand', { node, command, tty: false }, { signal });
  return await runBounded(argv, { signal, timeoutSeconds, maxBytes });
}
