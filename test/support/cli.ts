import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { ApiServer, type ServedHandlers } from '../../backend/api/server.ts';
import { labPaths } from '../../backend/state/paths.ts';
import { basicHandlers, LAB, node } from './api-lab.ts';

/** As it is shipped: it starts in a fraction of the time that its sources take. `npm run build` makes it. */
export const program = join(import.meta.dirname, '../../dist/cli.cjs');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command line in a folder of its own, with or without a daemon that answers as a test says. */
export class CommandLine {
  readonly folder = mkdtempSync('/tmp/bootyard-cli-');
  readonly env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: this.folder,
    BOOTYARD_HOME: join(this.folder, 'home'),
    XDG_RUNTIME_DIR: this.folder,
    TERM: 'xterm',
  };
  /** of the daemon; a test replaces those that it asks */
  handlers: Partial<ServedHandlers> = {};
  #server: ApiServer | undefined;

  readonly run = async (args: string[], input = ''): Promise<Outcome> => {
    const child = spawn(process.execPath, [program, ...args], { env: this.env });
    const outcome: Outcome = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (outcome.stdout += String(data)));
    child.stderr.on('data', (data) => (outcome.stderr += String(data)));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    await new Promise((resolve) => child.on('close', resolve));
    return { ...outcome, code: child.exitCode };
  };

  /** The command on a terminal. */
  readonly terminal = (args: string[]): Screen => new Screen([process.execPath, program, ...args], this.env);

  readonly complete = async (...words: string[]): Promise<string[]> =>
    (await this.run(['__complete', '--', ...words])).stdout.split('\n').filter((line) => line !== '');

  async startDaemon(): Promise<void> {
    this.handlers = {};
    const paths = labPaths(this.env);
    mkdirSync(paths.run, { recursive: true });
    this.#server = new ApiServer({
      socketPath: paths.daemonSocket,
      handlers: new Proxy(basicHandlers, {
        get: (basic, name: keyof ServedHandlers) => this.handlers[name] ?? basic[name],
      }),
      snapshot: () => ({ nodes: [], images: [], lab: LAB }),
      version: '1.2.3',
      log: () => {},
    });
    await this.#server.start();
  }

  async stopDaemon(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  publish(change: Parameters<ApiServer['publishChange']>[0]): void {
    this.#server?.publishChange(change);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** A program on a terminal of its own. */
export class Screen {
  readonly exit: Promise<number>;
  readonly #pty: ReturnType<typeof spawnPty>;
  readonly #waiting = new Set<() => void>();
  #text = '';

  constructor([file = '', ...args]: string[], env: NodeJS.ProcessEnv) {
    this.#pty = spawnPty(file, args, { env, cols: 200, rows: 50 });
    this.#pty.onData((data) => {
      this.#text += data;
      for (const check of this.#waiting) check();
    });
    this.exit = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)));
  }

  get text(): string {
    return this.#text;
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  end(signal?: string): void {
    this.#pty.kill(signal);
  }

  /** Resolves when `part` is on the screen, behind its first `after` characters. */
  shows(part: string, after = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!this.#text.includes(part, after)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      void this.exit.then(() => reject(new Error(`ended without '${part}': ${this.#text}`)));
      check();
    });
  }
}

/** Every node of a set is booted. */
export const booted: ServedHandlers['node.list'] = (params) =>
  (params.nodes ?? [])
    .flatMap((set) => set.split(','))
    .map((name) => ({ ...node(name), state: 'booted' as const }));

/** Runs the command of `node run` on this host, with the node's name as $0. */
export const here: ServedHandlers['node.shellCommand'] = (params) => ({
  argv: ['sh', '-c', params.command ?? 'exec sh', params.node],
});
