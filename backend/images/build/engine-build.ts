import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { BootyardError, messageOf } from '../../errors.ts';
import type { Engine } from '../engine/connect.ts';
import { contextTar, SENT_DOCKERFILE } from './context.ts';
import { parseDockerfile, stepInstruction, type Dockerfile, type Instruction } from './dockerfile.ts';
import { type EngineEvent, engineEvents } from './engine-events.ts';
import { endPodmanStep } from './podman-step.ts';

export interface EngineBuild {
  folder: string;
  /** as it is sent; each line stands where the user's does */
  dockerfile: string;
  buildArgs: Readonly<Record<string, string>>;
  /** name of the result in the engine */
  tag: string;
  /** of steps: `host`, `none`, …; the engine's own default if absent */
  network?: string | undefined;
  signal: AbortSignal;
  onOutput: (text: string) => void;
}

/**
 * Builds in the engine; answers the id of the result (64 hex digits). When it fails or is cancelled nothing of it stays
 * there. Throws `build.failed` with the line (`data.line`) of the instruction, and `build.lost` when the engine ends.
 */
export async function buildInEngine({ docker, kind }: Engine, build: EngineBuild): Promise<string> {
  const parsed = parseDockerfile(build.dockerfile, build.buildArgs);
  const follower = new BuildFollower(parsed, build.onOutput);
  const before = await idOf(docker, build.tag);
  const mark = kind === 'podman' ? `bootyard-${randomBytes(8).toString('hex')}` : undefined;
  const context = Readable.from(contextTar(build.folder, build.dockerfile, build.signal), {
    objectMode: false,
  });
  try {
    const stream = await start(docker, context, build, follower, mark);
    try {
      for await (const event of engineEvents(stream)) follower.take(event);
    } catch (error) {
      build.signal.throwIfAborted();
      if (error instanceof BootyardError) throw error;
      throw lost(kind, error);
    }
    if (follower.id === undefined) throw lost(kind, new Error('no image'));
    const id = follower.id;
    if (before !== undefined && before !== id) await forget(docker, before);
    return id;
  } catch (error) {
    if (build.signal.aborted && mark !== undefined) await endPodmanStep(mark);
    // What was ready before it failed has no name, and nobody would remove it.
    if (follower.last !== undefined) await forget(docker, follower.last);
    build.signal.throwIfAborted();
    throw context.errored instanceof BootyardError ? context.errored : error;
  } finally {
    context.destroy();
  }
}

async function start(
  docker: Dockerode,
  context: Readable,
  { buildArgs, tag, network, signal }: EngineBuild,
  follower: BuildFollower,
  mark: string | undefined,
): Promise<NodeJS.ReadableStream> {
  const options = {
    t: tag,
    dockerfile: SENT_DOCKERFILE,
    buildargs: { ...buildArgs },
    rm: true,
    forcerm: true,
    abortSignal: signal,
    ...(network === undefined ? {} : { networkmode: network }),
    ...(mark === undefined ? {} : { extrahosts: JSON.stringify([`${mark}:127.0.0.1`]) }),
  };
  try {
    return await docker.buildImage(context, options);
  } catch (error) {
    signal.throwIfAborted();
    if (context.errored) throw context.errored;
    // Docker answers a Dockerfile that it cannot read so.
    if (error instanceof Error && 'statusCode' in error)
      throw follower.failure(messageOf(error).replace(/^\(HTTP code \d+\) [a-z ]+ - /, ''));
    throw error;
  }
}

async function idOf(docker: Dockerode, reference: string): Promise<string | undefined> {
  const found = await docker
    .getImage(reference)
    .inspect()
    .catch(() => undefined);
  return found?.Id.replace('sha256:', '');
}

/** Removes an image that has no name, with the steps that led to it and to nothing else. */
async function forget(docker: Dockerode, id: string): Promise<void> {
  const found = await docker
    .getImage(id)
    .inspect()
    .catch(() => undefined);
  if (found && (found.RepoTags ?? []).length === 0)
    await docker
      .getImage(id)
      .remove()
      .catch(() => undefined);
}

function lost(kind: Engine['kind'], error: unknown): BootyardError {
  const name = kind === 'docker' ? 'Docker' : 'Podman';
  return new BootyardError(
    'build.lost',
    `${name} stopped answering while it built (${messageOf(error)}): start it again and build again.`,
  );
}

/** Knows at which instruction a build is, and what it has made. */
class BuildFollower {
  /** of the result, 64 hex digits */
  id: string | undefined;
  /** the latest image that a step has made */
  last: string | undefined;
  readonly #dockerfile: Dockerfile;
  readonly #onOutput: (text: string) => void;
  #at: Instruction | undefined;

  constructor(dockerfile: Dockerfile, onOutput: (text: string) => void) {
    this.#dockerfile = dockerfile;
    this.#onOutput = onOutput;
  }

  take({ stream, status, id, progress, error, aux }: EngineEvent): void {
    if (error !== undefined) throw this.failure(error.trim());
    if (aux?.ID !== undefined) this.id = aux.ID.replace('sha256:', '');
    if (stream === undefined) {
      // A base image that is fetched; progress comes many times a second.
      if (status !== undefined && !progress) this.#onOutput(`${id ? `${id}: ` : ''}${status}\n`);
      return;
    }
    const step = stepInstruction(this.#dockerfile, stream);
    if (step) this.#at = step;
    // ` ---> 0123456789ab` (Docker), `--> 0123456789a` (Podman); behind FROM it is what was there before.
    const made = /^ ?-{2,3}> ([0-9a-f]{11,12})\s*$/.exec(stream)?.[1];
    if (made !== undefined && this.#at?.keyword !== 'FROM') this.last = made;
    this.#onOutput(stream);
  }

  /** A sentence with the line of the instruction that it is at, or that the builder names. */
  failure(said: string): BootyardError {
    const message = said
      .replace(/\s+/g, ' ')
      .replace(/^building at STEP ".*?": (?=\S)/, '')
      .replace(/\.$/, '');
    const unknown = /Unknown instruction: "\w+"|copier: stat: "\/<<.*/.exec(message)?.[0];
    const before = this.#dockerfile.stages
      .flatMap(({ instructions }) => instructions)
      .find(({ documents }) => documents !== undefined);
    if (unknown !== undefined && before) return this.#unread(before, unknown);
    const named = /parse error (?:on )?line (\d+): (.*)/i.exec(message);
    const line = named ? Number(named[1]) : this.#at?.line;
    const where = line === undefined ? '' : ` at line ${line} of the Dockerfile`;
    const step = named || !this.#at ? '' : ` (${shortened(`${this.#at.keyword} ${this.#at.value}`)})`;
    return new BootyardError(
      'build.failed',
      `The build failed${where}${step}: ${named?.[2] ?? message}.`,
      line === undefined ? {} : { line },
    );
  }

  /** Podman before 5 takes the lines of a here-document for instructions. */
  #unread({ line, keyword, value }: Instruction, said: string): BootyardError {
    return new BootyardError(
      'build.failed',
      `The build failed at line ${line} of the Dockerfile (${shortened(`${keyword} ${value}`)}): ${said}. This Podman does not know here-documents: put it in a file and COPY that.`,
      { line },
    );
  }
}

export function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
