import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import * as z from 'zod';
import { BootyardError } from '../errors.ts';
import { loadStoreImage } from '../images/build/base-image.ts';
import { chooseEngine, type Engine } from '../images/engine/connect.ts';
import { fetchFromEngine } from '../images/engine/fetch.ts';
import { engineImage } from '../images/engine/images.ts';
import { shellContainerName, shellFolder, sweepShellContainers } from '../images/engine/shell-container.ts';
import type { ApiClient, CallOptions } from './client.ts';
import type { Result } from './contract.ts';
import { DaemonHold } from './daemon-hold.ts';

type Calls = Pick<ApiClient, 'call'>;
type Options = Required<CallOptions>;
type Connect = () => Promise<ApiClient>;
/** What keeps others from changing the image. */
interface Session {
  id: string;
  hold: DaemonHold;
}

/** One path that a container has changed; an engine tells no more of it. */
export interface EngineChange {
  kind: 'A' | 'M' | 'D';
  path: string;
}
/** Where the input and the output of a shell are. */
export interface ShellTerminal {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
  errors: NodeJS.WriteStream;
  isTerminal: boolean;
}

interface ShellImage {
  name: string;
  id: string;
  /** byte by byte */
  config: string;
}

const START = '/bin/walt-image-shell-start';
const SHUTDOWN = '/bin/walt-image-shell-shutdown';
const CPUINFO = '/etc/cpuinfo';
/** The first process of the container: commands come by exec, for attaching mixes Podman's input up. */
const IDLE = ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'];
const SHELL = 'export HISTFILE=/dev/null; if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi';
/** `/containers/ID/changes` (Docker Engine API 1.41, ContainerChange). */
const Changes = z.array(z.looseObject({ Path: z.string(), Kind: z.number() }));
/** What a container has of its own, and its image gets back. */
const OwnConfig = z.looseObject({
  config: z
    .looseObject({
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      User: z.string().nullish(),
    })
    .nullish(),
});
const KINDS = ['M', 'A', 'D'] as const;

/**
 * A root shell in an image of the store, in a container of Docker or Podman as WalT has it, with the image's own scripts
 * that start and stop an OS in it. In the client's process, as all that concerns engines. No other task changes the image
 * meanwhile, and the container of a client that was killed goes when the next shell opens.
 */
export class EngineShell {
  /** an OS was started in the container */
  readonly hasSystem: boolean;
  readonly #session: Session;
  readonly #engine: Engine;
  readonly #container: Dockerode.Container;
  readonly #image: ShellImage;
  readonly #folder: string;
  /** what the engine itself has written into: Podman makes places for its mounts in /etc */
  readonly #touched: ReadonlySet<string>;

  private constructor(
    session: Session,
    engine: Engine,
    made: {
      container: Dockerode.Container;
      hasSystem: boolean;
      touched: ReadonlySet<string>;
      image: ShellImage;
      folder: string;
    },
  ) {
    this.#session = session;
    this.#engine = engine;
    this.#container = made.container;
    this.hasSystem = made.hasSystem;
    this.#image = made.image;
    this.#folder = made.folder;
    this.#touched = made.touched;
  }

  /**
   * `connect`: to a lab that runs; `wanted`: an engine's name, kind or address. Throws when none answers, and `image.busy`;
   * nothing is left in the engine but the image.
   */
  static async open(connect: Connect, image: string, wanted: string, options: Options): Promise<EngineShell> {
    const id = randomUUID();
    const hold = await DaemonHold.open(connect, (client) =>
      client.call('image.holdEdit', { image, session: id }),
    );
    try {
      return await EngineShell.#make({ id, hold }, image, wanted, options);
    } catch (error) {
      hold.release();
      throw error;
    }
  }

  static async #make(
    session: Session,
    image: string,
    wanted: string,
    options: Options,
  ): Promise<EngineShell> {
    const engine = await chooseEngine(wanted);
    const client = await session.hold.client;
    const { content, folders } = await client.call('image.transfer', { image });
    if (!content) throw new BootyardError('image.unknown', `Error: No such image '${image}'.`);
    await sweepShellContainers(engine, folders.blobs);
    const id = createHash('sha256').update(content.config).digest('hex');
    const control = { signal: options.signal, progress: options.onProgress };
    const reference = await loadStoreImage(engine, { ...content, id, ...folders }, control);
    const name = shellContainerName(folders.blobs);
    const folder = shellFolder(name);
    mkdirSync(folder, { mode: 0o700 });
    let container: Dockerode.Container | undefined;
    try {
      const hasSystem = await isThere(client, image, START);
      const cpuinfo = await cpuinfoOf(client, image, folder);
      options.signal.throwIfAborted();
      container = await engine.docker.createContainer({
        name,
        Image: reference,
        Hostname: 'image-shell',
        Entrypoint: hasSystem ? [START] : IDLE.slice(0, 1),
        Cmd: hasSystem ? [] : IDLE.slice(1),
        User: '0',
        // Without a mode Podman makes a bridge in the host.
        HostConfig: {
          NetworkMode: 'none',
          Binds: cpuinfo === undefined ? [] : [`${cpuinfo}:/proc/cpuinfo:ro`],
        },
      });
      await container.start();
      const touched = new Set((await changesOf(container)).map(({ path }) => path));
      const made = {
        container,
        hasSystem,
        touched,
        image: { name: content.name, id, config: content.config },
        folder,
      };
      return new EngineShell(session, engine, made);
    } catch (error) {
      await container?.remove({ force: true }).catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
      options.signal.throwIfAborted();
      throw failed(engine, error);
    }
  }

  /** Runs a command, or a shell without one; its exit code. Throws `engine.failed` and the reason of the signal. */
  async run(command: string | undefined, terminal: ShellTerminal, signal?: AbortSignal): Promise<number> {
    try {
      return await this.#exec(command ?? SHELL, terminal, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw failed(this.#engine, error);
    }
  }

  async #exec(command: string, terminal: ShellTerminal, signal?: AbortSignal): Promise<number> {
    const Tty = terminal.isTerminal;
    const exec = await this.#container.exec({
      Cmd: ['/bin/sh', '-c', command],
      Env: [`TERM=${process.env.TERM ?? 'xterm'}`, 'HOME=/root'],
      WorkingDir: '/',
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty,
    });
    // Asked for twice, or Docker frames what a terminal shows.
    const stream = await exec.start({ hijack: true, stdin: true, Tty });
    const end = (): void => void stream.destroy();
    signal?.addEventListener('abort', end);
    try {
      await this.#join(stream, exec, terminal);
    } finally {
      signal?.removeEventListener('abort', end);
    }
    return (await exec.inspect()).ExitCode ?? 255;
  }

  async #join(
    stream: Duplex,
    exec: Dockerode.Exec,
    { input, output, errors, isTerminal }: ShellTerminal,
  ): Promise<void> {
    const resize = (): void => {
      // Podman answers with a code that dockerode takes for a failure.
      void exec.resize({ h: output.rows, w: output.columns }).catch(() => undefined);
    };
    if (isTerminal) {
      stream.on('data', (chunk: Buffer) => output.write(chunk));
      input.setRawMode(true);
      output.on('resize', resize);
      resize();
    } else {
      this.#engine.docker.modem.demuxStream(stream, output, errors);
    }
    input.pipe(stream);
    try {
      await finished(stream, { writable: false });
    } finally {
      input.unpipe(stream);
      input.pause();
      output.off('resize', resize);
      if (isTerminal) input.setRawMode(false);
    }
  }

  /** What was changed so far; folders that only hold something else that changed are left out. */
  async changes(): Promise<EngineChange[]> {
    await this.#shutdown();
    const all = await changesOf(this.#container);
    const parents = new Set(all.map(({ path }) => path.slice(0, path.lastIndexOf('/'))));
    return all
      .filter(({ kind, path }) => kind !== 'M' || !(parents.has(path) || this.#touched.has(path)))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The OS in the container ends in good order. */
  async #shutdown(): Promise<void> {
    const client = await this.#session.hold.client;
    if (!this.hasSystem || !(await isThere(client, this.#image.name, SHUTDOWN))) return;
    const exec = await this.#container.exec({ Cmd: [SHUTDOWN], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({});
    stream.resume();
    await once(stream, 'close').catch(() => undefined);
  }

  /**
   * Takes what was changed from the engine as one layer, under a name. Throws as `image.replace`, and `image.changed` when the image
   * of the shell itself was replaced meanwhile.
   */
  async save(name: string, force: boolean, options: Options): Promise<Result<'image.replace'>> {
    const isOwn = name === this.#image.name;
    const client = await this.#session.hold.client;
    const [current] = (await client.call('image.list', {})).filter((image) => image.name === name);
    if (isOwn && current?.id !== this.#image.id) {
      const sentence = `The image '${name}' was replaced meanwhile: save under another name.`;
      throw new BootyardError('image.changed', sentence, { image: name });
    }
    if (!isOwn && current && !force) {
      throw new BootyardError('image.exists', `Error: Image '${name}' already exists.`, { image: name });
    }
    const committed = z.looseObject({ Id: z.string() }).parse(
      await this.#container.commit({
        // A push (`engine/pushed.ts`) gives it one more name, and takes it back.
        repo: `localhost/bootyard-build/shell-${this.#container.id.slice(0, 12)}`,
        pause: false,
        comment: `bootyard image shell ${this.#image.name}`,
        changes: ownConfig(this.#image.config),
      }),
    );
    const id = committed.Id.replace(/^sha256:/, '');
    try {
      return await this.#intoStore(id, name, isOwn || force, force, options);
    } finally {
      await this.#engine.docker
        .getImage(id)
        .remove({ force: true })
        .catch(() => undefined);
    }
  }

  async #intoStore(
    id: string,
    name: string,
    isConsented: boolean,
    force: boolean,
    { signal, onProgress }: Options,
  ): Promise<Result<'image.replace'>> {
    const client = await this.#session.hold.client;
    const users = (await client.call('node.list', {})).filter(
      (node) => node.image === name && node.state !== 'off',
    );
    if (users.length > 0 && !force) {
      throw new BootyardError(
        'image.wouldReboot',
        `This operation would reboot ${users.length} node(s) currently using the image.`,
        { nodes: users.map((node) => node.name) },
      );
    }
    const image = await engineImage(this.#engine, id, signal);
    if (!image) throw failed(this.#engine, new Error('it has lost what it committed'));
    const { there, folders } = await client.call('image.transfer', { layers: image.layers });
    const known = { layers: new Set(there), ...folders };
    const control = { signal, progress: onProgress };
    const wish = { name, session: this.#session.id, force: isConsented };
    return await fetchFromEngine(this.#engine, image, known, control, (path) =>
      client.call('image.replace', { ...wish, path }, { signal, onProgress }),
    );
  }

  /** The container goes; the image stays in the engine for the next time. */
  async remove(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#container.remove({ force: true }).catch(() => undefined);
    this.#session.hold.release();
  }
}

/** As instructions of a Dockerfile. */
function ownConfig(text: string): string[] {
  const { config } = OwnConfig.parse(JSON.parse(text));
  return [
    `ENTRYPOINT ${JSON.stringify(config?.Entrypoint ?? [])}`,
    `CMD ${JSON.stringify(config?.Cmd ?? [])}`,
    `USER ${config?.User || '0'}`,
  ];
}

async function changesOf(container: Dockerode.Container): Promise<EngineChange[]> {
  const answer: unknown = await container.changes();
  // Docker answers null for none, which dockerode hands over as bytes.
  const all = Array.isArray(answer) ? Changes.parse(answer) : [];
  return all.map(({ Path: path, Kind }) => ({ path, kind: KINDS[Kind] ?? 'M' }));
}

async function isThere(client: Calls, image: string, path: string): Promise<boolean> {
  try {
    await client.call('image.file', { image, path });
    return true;
  } catch (error) {
    if (error instanceof BootyardError && ['file.missing', 'file.notFolder'].includes(error.code))
      return false;
    throw error;
  }
}

/** What the image wants seen as /proc/cpuinfo, as a file of this host. */
async function cpuinfoOf(client: Calls, image: string, folder: string): Promise<string | undefined> {
  if (!(await isThere(client, image, CPUINFO))) return undefined;
  const { data } = await client.call('image.readFile', { image, path: CPUINFO });
  // The engine may be another user's.
  chmodSync(folder, 0o755);
  const file = join(folder, 'cpuinfo');
  writeFileSync(file, Buffer.from(data, 'base64'), { mode: 0o644 });
  return file;
}

function failed({ name }: Engine, error: unknown): BootyardError {
  if (error instanceof BootyardError) return error;
  const why = error instanceof Error ? error.message.trim() : String(error);
  return new BootyardError('engine.failed', `${name} cannot run a shell in the image: ${why}`);
}
