import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { enterArgv } from '../../backend/lab/launch.ts';
import type { TestLab } from './lab.ts';

/** The name of its card, and of the other end of its wire, at the lab's bridge. */
export const CARD = 'by-card';
const PORT = 'by-port';

/** A machine that is no node: a network namespace inside a lab, with a wire to its bridge. One at a time in a lab. */
export class Neighbour {
  readonly #lab: TestLab;
  /** of what runs in it, in the lab's PID namespace; the first one holds it */
  readonly #pids: string[];

  private constructor(lab: TestLab, holder: string) {
    this.#lab = lab;
    this.#pids = [holder];
  }

  /** `mac`: of its card; one of the kernel's choice without it */
  static async join(lab: TestLab, mac?: string): Promise<Neighbour> {
    const [holder = ''] = await started(lab, ['unshare', '--net', 'sh', '-c', 'echo in; exec sleep 1000']);
    const card = mac === undefined ? [CARD] : [CARD, 'address', mac];
    await lab.inside('ip', 'link', 'add', PORT, 'type', 'veth', 'peer', 'name', ...card);
    await lab.inside('ip', 'link', 'set', PORT, 'master', 'walt-net', 'up');
    await lab.inside('ip', 'link', 'set', CARD, 'netns', holder);
    const neighbour = new Neighbour(lab, holder);
    await neighbour.run('ip', 'link', 'set', CARD, 'up');
    return neighbour;
  }

  /** Runs a program on it to its end. */
  run(...command: string[]): Promise<string> {
    return this.#lab.inside(...this.#argv(command));
  }

  /** Starts a program on it, which goes with it; resolves when it prints its first line. */
  async start(...command: string[]): Promise<void> {
    const [pid = ''] = await started(this.#lab, this.#argv(command));
    this.#pids.push(pid);
  }

  /** Its namespace ends with its last process, and its wire with that. */
  async leave(): Promise<void> {
    await this.#lab.inside('kill', ...this.#pids);
  }

  #argv(command: string[]): string[] {
    return ['nsenter', '--target', this.#pids[0] ?? '', '--net', '--', ...command];
  }
}

/** Starts a program inside the lab; its number there, and the first line that it prints. */
async function started(lab: TestLab, command: string[]): Promise<string[]> {
  const script = 'echo $$; exec "$@"';
  const [program = '', ...args] = enterArgv(lab.paths, ['sh', '-c', script, 'sh', ...command]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 2) return lines;
  }
  throw new Error(`${command.join(' ')} has ended`);
}
