import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';

/**
 * Scripts that run at the same time; others wait. Of four at once over one connection to dropbear up to one in ten came back
 * with nothing, neither output nor exit status; of those that come one after the other none.
 */
const AT_ONCE = 1;
const MAX_WAITING = 200;
const CONNECT_MS = 15_000;
const SCRIPT_MS = 30_000;
/** Behind what a script prints stands the code with which it has ended. */
const END = /\nbootyard-end:(\d+)$/;
const MAX_END = 20;

export interface Ran {
  code: number;
  stdout: Buffer;
  stderr: string;
}
/** One ssh connection, which all scripts of one boot of a node share. */
interface Link {
  socket: string;
  master: ChildProcess;
}

/** Runs scripts in nodes over ssh: one connection for each boot of a node, made when it is needed. */
export class NodeShells {
  readonly #connection: LabConnection;
  readonly #links = new Map<string, Promise<Link>>();
  readonly #waiting: (() => void)[] = [];
  #folder: string | undefined;
  #running = 0;
  #made = 0;

  constructor(connection: LabConnection) {
    this.#connection = connection;
  }

  /** Throws `node.unavailable` for a node that is not booted, or does not answer; nothing is tried for the former. */
  async run(name: string, script: string, limit: number, input?: Uint8Array): Promise<Ran> {
    const boot = this.#boot(name);
    await this.#turn();
    try {
      const { socket } = await this.#link(name, boot);
      const share = { socket, master: false };
      const { argv } = await this.#connection.call('node.shellCommand', {
        ...{ node: name, command: `(${script}\n)\nprintf '\\nbootyard-end:%d' "$?"`, tty: false, share },
      });
      const ran = await runOnce(argv, limit + MAX_END, input);
      if (!ran) throw unavailable(`Could not reach ${name}. Try again later.`);
      return ran;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  dispose(): void {
    for (const link of this.#links.values()) {
      void link.then(
        ({ master }) => master.kill(),
        () => undefined,
      );
    }
    this.#links.clear();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What tells one boot of a node from the next. */
  #boot(name: string): string {
    const node = this.#connection.model.nodeNamed(name);
    if (node?.state === 'booted') return `${node.mac} ${node.bootedAt}`;
    if (node || this.#connection.model.lab) {
      throw node
        ? unavailable(`Node ${name} is ${node.state}: its files are there when it is booted.`)
        : new BootyardError('node.unknown', `There is no node ${name}.`);
    }
    throw unavailable('The lab is not running.');
  }

  async #turn(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) throw unavailable('Too much is asked of nodes at once.');
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }

  #link(name: string, boot: string): Promise<Link> {
    const known = this.#links.get(boot);
    if (known) return known;
    const link = this.#connect(name, () => this.#links.delete(boot));
    this.#links.set(boot, link);
    link.catch(() => this.#links.delete(boot));
    return link;
  }

  async #connect(name: string, ended: () => void): Promise<Link> {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'by-ssh-'));
    const socket = join(this.#folder, String(++this.#made));
    const { argv } = await this.#connection.call('node.shellCommand', {
      ...{ node: name, tty: false, share: { socket, master: true } },
    });
    const [program = '', ...args] = argv;
    const master = spawn(program, args, { stdio: 'ignore' });
    let isOver = false;
    const over = (): void => {
      isOver = true;
      ended();
    };
    master.on('error', over).on('close', over);
    for (const until = Date.now() + CONNECT_MS; !existsSync(socket); await delay(20)) {
      if (!isOver && Date.now() < until) continue;
      master.kill();
      throw unavailable(`Could not reach ${name}. Try again later.`);
    }
    return { socket, master };
  }
}

/**
 * `limit`: bytes of output, at most. undefined: the script has not come to its end. Its own word counts, not the exit
 * status, which an sshd may close a session without.
 */
async function runOnce(
  argv: string[],
  limit: number,
  input: Uint8Array | undefined,
): Promise<Ran | undefined> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: SCRIPT_MS });
  const chunks: Buffer[] = [];
  let size = 0;
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) child.kill();
    else chunks.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-2000)));
  // A script that ends early does not read what it is given.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => reject(unavailable(`${program} cannot be started: ${messageOf(error)}.`)));
    child.on('close', resolve);
  });
  if (size > limit) throw new BootyardError('file.tooLarge', 'It is too large for the editor.');
  if (code === null) throw unavailable('The node did not answer in time.');
  const all = Buffer.concat(chunks);
  const [end, ownCode] = END.exec(all.subarray(-MAX_END).toString('latin1')) ?? [];
  return end === undefined
    ? undefined
    : { code: Number(ownCode), stdout: all.subarray(0, all.length - end.length), stderr };
}

function unavailable(sentence: string): BootyardError {
  return new BootyardError('node.unavailable', sentence);
}
