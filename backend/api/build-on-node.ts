import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import type { NodeStep } from '../images/build/dockerfile.ts';
import type { ApiClient } from './client.ts';
import type { Progress } from './contract.ts';

type Calls = Pick<ApiClient, 'call' | 'stream'>;
const RELEASE_TRIES = 60;
const RELEASE_MS = 500;
type Undo = () => Promise<unknown>;
interface Control {
  signal: AbortSignal;
  onOutput: (text: string) => void;
  onProgress: (progress: Progress) => void;
}

/** What a step on a node starts from. */
export interface BuiltSoFar {
  config: { env: string[]; folder: string };
  /** makes an image of the store of it */
  intoStore: (name: string) => Promise<unknown>;
}

/** The node on which a step runs: the one that the user names, or a temporary one. */
export interface StepPlace {
  client: Calls;
  node: string | undefined;
  /** gets, in the order in which it is to be done, what brings the node back and removes the images in between */
  undo: Undo[];
}

/**
 * Boots a node on what is built so far, runs a command there and saves what it changed; answers the name of the image.
 */
export async function runOnNode(
  { client, node, undo }: StepPlace,
  step: NodeStep,
  control: Control,
  { config, intoStore }: BuiltSoFar,
): Promise<string> {
  const before = stepImage();
  await intoStore(before);
  undo.push(() => removeImage(client, before));
  const command = [...exports(config.env), `cd ${quoted(config.folder)}`, step.command].join('\n');
  const run = (name: string): Promise<void> => runCommand(client, name, command, step, control);
  const after = stepImage();
  const isSaved = await (node === undefined
    ? onTemporaryNode(client, before, after, run, control)
    : onNode(client, node, before, after, run, control));
  if (!isSaved) return before;
  undo.push(() => removeImage(client, after));
  return after;
}

/** A temporary node lets go of its image a moment after its work. */
async function removeImage(client: Calls, name: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await client.call('image.remove', { images: [name] });
      return;
    } catch (error) {
      const isHeld = error instanceof BootyardError && ['image.busy', 'image.inUse'].includes(error.code);
      if (!isHeld || tries >= RELEASE_TRIES) throw error;
      await delay(RELEASE_MS);
    }
  }
}

/** Images between the steps of a build say which process made them, so that a later build can tell what one that was killed has left. */
function stepImage(): string {
  return `bootyard-step-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what builds that were killed have left in the store. */
export async function sweepSteps(client: Pick<ApiClient, 'call'>): Promise<void> {
  for (const { name } of await client.call('image.list', {})) {
    const pid = /^bootyard-step-(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await client.call('image.remove', { images: [name] }).catch(() => undefined);
  }
}

type Run = (node: string) => Promise<void>;

/** False when nothing was changed. */
async function onNode(
  client: Calls,
  node: string,
  image: string,
  after: string,
  run: Run,
  { signal, onProgress }: Control,
): Promise<boolean> {
  const control = { signal, onProgress };
  await client.call('node.boot', { nodes: [node], image }, control);
  await client.call('node.wait', { nodes: [node] }, control);
  await run(node);
  const diff = await client.call('node.diff', { node, saveAs: { image: after, force: false } }, control);
  if (diff.count === 0) return false;
  await client.call('node.save', { id: diff.id, image: after }, control);
  return true;
}

async function onTemporaryNode(
  client: Calls,
  image: string,
  after: string,
  run: Run,
  { signal, onProgress }: Control,
): Promise<boolean> {
  const control = { signal, onProgress };
  const { node, stream } = await client.call('image.openShell', { image }, control);
  try {
    await run(node);
    const { id, count } = await client.call('image.shellDiff', { node }, control);
    if (count > 0) await client.call('image.saveShell', { node, id, image: after }, control);
    return count > 0;
  } finally {
    client.stream(stream).close();
  }
}

async function runCommand(
  client: Calls,
  node: string,
  command: string,
  step: NodeStep,
  { signal, onOutput, onProgress }: Control,
): Promise<void> {
  const { argv } = await client.call(
    'node.shellCommand',
    { node, command, tty: false },
    { signal, onProgress },
  );
  const code = await runStreaming(argv, signal, onOutput);
  signal.throwIfAborted();
  if (code === 0) return;
  throw new BootyardError(
    'build.failed',
    `The build failed at line ${step.line} of the Dockerfile (RUN --on-node ${step.command}): it ended with exit code ${code} on ${node}.`,
    { line: step.line, exitCode: code },
  );
}

/** What gives a node back the image and the power that it has now. */
export async function wayBack(client: Pick<ApiClient, 'call'>, name: string): Promise<Undo> {
  const [node, ...others] = await client.call('node.list', { nodes: [name] });
  if (!node || others.length > 0) {
    throw new BootyardError(
      'build.noNode',
      `--with-node takes one node, and '${name}' is ${others.length + 1}.`,
    );
  }
  return async () => {
    await client.call('node.boot', { nodes: [name], image: node.image });
    if (node.state === 'off') await client.call('node.stop', { nodes: [name] });
  };
}

function exports(env: readonly string[]): string[] {
  return env.map((pair) => {
    const [name = '', ...value] = pair.split('=');
    return `export ${name}=${quoted(value.join('='))}`;
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The exit code of a program whose output goes to `onOutput`; cancelled, it ends with all that it started. */
async function runStreaming(
  [program = '', ...args]: readonly string[],
  signal: AbortSignal,
  onOutput: (text: string) => void,
): Promise<number> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has ended.
    }
  };
  signal.addEventListener('abort', stop);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', onOutput);
  }
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', (error) =>
        reject(new BootyardError('node.run', `${program} cannot be started: ${messageOf(error)}.`)),
      );
      child.once('close', (code) => resolve(code ?? 130));
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
