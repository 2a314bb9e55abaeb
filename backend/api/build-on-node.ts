import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { BootyardError, messageOf } from '../errors.ts';
import type { NodeStep } from '../images/build/dockerfile.ts';
import type { ApiClient } from './client.ts';
import type { Progress } from './contract.ts';

type Calls = Pick<ApiClient, 'call'>;
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

/**
 * Boots a node on what is built so far, runs a command there and saves what it changed; answers the name of the image.
 * `undo` gets, in the order in which it is to be done, what brings the node back and removes the images in between.
 */
export async function runOnNode(
  client: Calls,
  { node, step, undo, isFirst }: { node: string; step: NodeStep; undo: Undo[]; isFirst: boolean },
  { signal, onOutput, onProgress }: Control,
  { config, intoStore }: BuiltSoFar,
): Promise<string> {
  const control = { signal, onProgress };
  if (isFirst) undo.unshift(await wayBack(client, node));
  const before = `bootyard-step-${randomBytes(4).toString('hex')}`;
  await intoStore(before);
  undo.push(() => client.call('image.remove', { images: [before] }));
  await client.call('node.boot', { nodes: [node], image: before }, control);
  await client.call('node.wait', { nodes: [node] }, control);
  const command = [...exports(config.env), `cd ${quoted(config.folder)}`, step.command].join('\n');
  const { argv } = await client.call('node.shellCommand', { node, command, tty: false }, control);
  const code = await runStreaming(argv, signal, onOutput);
  signal.throwIfAborted();
  if (code !== 0) {
    throw new BootyardError(
      'build.failed',
      `The build failed at line ${step.line} of the Dockerfile (RUN --on-node ${step.command}): it ended with exit code ${code} on ${node}.`,
      { line: step.line, exitCode: code },
    );
  }
  const after = `bootyard-step-${randomBytes(4).toString('hex')}`;
  const diff = await client.call('node.diff', { node, saveAs: { image: after, force: false } }, control);
  if (diff.count === 0) return before;
  await client.call('node.save', { id: diff.id, image: after }, control);
  undo.push(() => client.call('image.remove', { images: [after] }));
  return after;
}

/** What gives a node the image and the power that it has now. */
async function wayBack(client: Calls, name: string): Promise<Undo> {
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
