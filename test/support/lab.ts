import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ImageInfo } from '../../backend/api/image.ts';
import type { LabStatus } from '../../backend/api/lab.ts';
import type { Timeline } from '../../backend/api/boots.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { enterArgv } from '../../backend/lab/launch.ts';
import { labPaths, type Paths } from '../../backend/state/paths.ts';
import { defaultImageTar, type DefaultImage } from './default-image.ts';

export const repository = join(import.meta.dirname, '../..');

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A lab of its own in a temporary folder, used as a person would: by the command line. */
export class TestLab {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly paths: Paths;
  /** the command line's program, after words that make it another user's */
  readonly #command: string[];

  /** `env`: instead of this process's */
  constructor(options: { home?: string; env?: NodeJS.ProcessEnv; command?: string[] } = {}) {
    // Short: socket paths hold 107 bytes.
    this.home = options.home ?? mkdtempSync(join(tmpdir(), 'by-'));
    this.env = {
      ...(options.env ?? process.env),
      BOOTYARD_HOME: this.home,
      XDG_RUNTIME_DIR: join(this.home, 'r'),
    };
    this.paths = labPaths(this.env);
    this.#command = options.command ?? [join(repository, 'bin/bootyard')];
  }

  spawn(...args: string[]): ChildProcess {
    const [program = '', ...rest] = [...this.#command, ...args];
    return spawn(program, rest, { env: this.env, cwd: this.home, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Runs a command to its end, whatever that is. */
  run(...args: string[]): Promise<Finished> {
    const child = this.spawn(...args);
    child.stdin?.end();
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve({ status, stdout, stderr }));
    });
  }

  /** Runs a command that must succeed and returns what it printed. */
  async bootyard(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status === 0) return stdout;
    throw new Error(
      `bootyard ${args.join(' ')} ended with ${status}: ${stderr || stdout}\n${this.daemonLog()}`,
    );
  }

  daemonLog(): string {
    try {
      return readFileSync(this.paths.daemonLog, 'utf8').slice(-4000);
    } catch {
      return '(no daemon log)';
    }
  }

  async status(): Promise<LabStatus> {
    return JSON.parse(await this.bootyard('lab', 'status', '--json')) as LabStatus;
  }
  async nodes(...set: string[]): Promise<NodeInfo[]> {
    return JSON.parse(await this.bootyard('node', 'show', '--json', ...set)) as NodeInfo[];
  }
  async node(name: string): Promise<NodeInfo> {
    const node = (await this.nodes()).find((candidate) => candidate.name === name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }
  async images(): Promise<ImageInfo[]> {
    return JSON.parse(await this.bootyard('image', 'show', '--json')) as ImageInfo[];
  }
  async timeline(name: string): Promise<Timeline> {
    return JSON.parse(await this.bootyard('node', 'timeline', name, '--json')) as Timeline;
  }
  /** What a command printed in a node. */
  inNode(name: string, command: string): Promise<string> {
    return this.bootyard('node', 'run', name, command);
  }
  /** What a program of this host printed inside the lab: in its network, with its mounts, as its root. */
  async inside(...command: string[]): Promise<string> {
    const [program = '', ...args] = enterArgv(this.paths, command);
    const { stdout } = await promisify(execFile)(program, args);
    return stdout;
  }
  async importDefault(name: DefaultImage): Promise<void> {
    const { tar, labels } = await defaultImageTar(name);
    const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
    await this.bootyard('image', 'import', tar, name, ...flags);
  }

  async remove(): Promise<void> {
    await this.run('lab', 'stop');
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Asks again until the answer is right; says the last answer when time is up. */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  isRight: (answer: T) => boolean,
  limitMs = 60_000,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (Date.now() > end)
      throw new Error(`${what}: not within ${limitMs} ms; last: ${JSON.stringify(answer)}`);
    await delay(100);
  }
}
