import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import type { NodeStep } from '../images/build/dockerfile.ts';
import { shortened } from '../images/build/engine-build.ts';
import type { Engine } from '../images/engine/connect.ts';
import type { ApiClient } from './client.ts';
import type { Progress } from './contract.ts';
import { endGroup } from './process-group.ts';

type Calls = Pick<ApiClient, 'call' | 'stream'>;
const RELEASE_TRIES = 60;
const RELEASE_MS = 500;
export type Undo = () => Promise<unknown>;
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

/** A node that the user has named, and what it gets back afterwards. */
export interface LentNode {
  name: string;
  image: string;
  isOff: boolean;
}
/** The node on which a step runs: one that is lent, or a temporary one. */
export interface StepPlace {
  client: Calls;
  node: LentNode | undefined;
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
  const before = stepImage(node);
  await intoStore(before);
  undo.push(() => removeImage(client, before));
  const command = [...exports(config.env), `cd ${quoted(config.folder)}`, step.command].join('\n');
  const run = (name: string): Promise<void> => runCommand(client, name, command, step, control);
  const after = stepImage();
  const isSaved = await (node === undefined
    ? onTemporaryNode(client, before, after, run, control)
    : onNode(client, node.name, before, after, run, control));
  if (!isSaved) return before;
  undo.push(() => removeImage(client, after));
  return after;
}

/** Does all of it, whatever fails; what could not be brought back is said, for nobody else knows of it. */
export async function undoAll(undo: readonly Undo[], onOutput: (text: string) => void): Promise<void> {
  for (const step of undo) {
    try {
      await step();
    } catch (error) {
      onOutput(`After the build something was left as it was: ${messageOf(error)}\n`);
    }
  }
}

/** A temporary node lets go of its image a moment after its work. */
async function removeImage(
  client: Pick<ApiClient, 'call'>,
  name: string,
  most = RELEASE_TRIES,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await client.call('image.remove', { images: [name] });
      return;
    } catch (error) {
      if (!isHeld(error) || tries >= most) throw error;
      await delay(RELEASE_MS);
    }
  }
}

function isHeld(error: unknown): boolean {
  return error instanceof BootyardError && ['image.busy', 'image.inUse'].includes(error.code);
}

/**
 * Images between the steps of a build say which process made them, so that a later build can tell what one that was killed
 * has left, and what the node that boots one gets back: `bootyard-step-<pid>-<random>[:<on|off>-<its image, in hex>]`.
 */
function stepImage(node?: LentNode): string {
  const name = `bootyard-step-${process.pid}-${randomBytes(4).toString('hex')}`;
  if (!node) return name;
  return `${name}:${node.isOff ? 'off' : 'on'}-${Buffer.from(node.image).toString('hex')}`;
}
const STEP_IMAGE = /^bootyard-step-(\d+)-[0-9a-f]{8}(?:[:_](on|off)-([0-9a-f]+))?$/;

/** Of a build whose process is gone. */
function isStale(image: string): boolean {
  const pid = STEP_IMAGE.exec(image)?.[1];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}

/** Undoes what builds that were killed have left: gives nodes back, and removes images; what is still held is left to the next build. */
export async function sweepSteps(
  client: Pick<ApiClient, 'call'>,
  onOutput: (text: string) => void,
): Promise<void> {
  const stale = (await client.call('image.list', {})).map(({ name }) => name).filter(isStale);
  if (stale.length === 0) return;
  let tries = 0;
  for (const { name, image } of await client.call('node.list', {})) {
    const [, , power, hex] = (isStale(image) && STEP_IMAGE.exec(image)) || [];
    if (hex === undefined) continue;
    const lent = { name, image: Buffer.from(hex, 'hex').toString(), isOff: power === 'off' };
    onOutput(`A build that was killed had node ${name}: it gets image ${lent.image} back.\n`);
    await undoAll([() => giveBack(client, lent)], onOutput);
    tries = RELEASE_TRIES;
  }
  for (const name of stale) {
    try {
      await removeImage(client, name, tries);
    } catch (error) {
      if (!isHeld(error)) throw error;
    }
  }
}

/** Removes what they have left in the engine; what that still needs stays. */
export async function sweepEngine({ docker }: Engine): Promise<void> {
  const images = await docker.listImages({
    filters: { reference: ['localhost/bootyard-store/bootyard-step-*'] },
  });
  for (const reference of images.flatMap(({ RepoTags }) => RepoTags ?? [])) {
    const [, image = ''] = /^localhost\/bootyard-store\/([^:]+):/.exec(reference) ?? [];
    if (!isStale(image)) continue;
    await docker
      .getImage(reference)
      .remove()
      .catch(() => undefined);
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
  control: Control,
): Promise<boolean> {
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
  control: Control,
): Promise<boolean> {
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
    `The build failed at line ${step.line} of the Dockerfile (${shortened(`RUN --on-node ${step.command}`)}): it ended with exit code ${code} on ${node}.`,
    { line: step.line, exitCode: code },
  );
}

/** Throws `build.noNode` for what is not one node, or has a step of another build. */
export async function lendNode(client: Pick<ApiClient, 'call'>, name: string): Promise<LentNode> {
  const [node, ...others] = await client.call('node.list', { nodes: [name] });
  if (!node || others.length > 0) {
    throw new BootyardError(
      'build.noNode',
      `--with-node takes one node, and '${name}' is ${others.length + 1}.`,
    );
  }
  if (STEP_IMAGE.test(node.image)) {
    throw new BootyardError(
      'build.noNode',
      `Node ${node.name} has a step of another build: wait for that, or give another node.`,
    );
  }
  return { name: node.name, image: node.image, isOff: node.state === 'off' };
}

/** Boots the image that the node had; it is off if it was. */
export async function giveBack(
  client: Pick<ApiClient, 'call'>,
  { name, image, isOff }: LentNode,
): Promise<void> {
  await client.call('node.boot', { nodes: [name], image });
  if (isOff) await client.call('node.stop', { nodes: [name] });
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
  const stop = (): void => endGroup(child);
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
