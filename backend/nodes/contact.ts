import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { installCommand } from '../lab/host-packages.ts';
import { toolPath } from '../lab/program.ts';
import type { ConsoleViewer } from './console.ts';

export interface ContactParts {
  /** throws a sentence for a node that is not on */
  addressOf(node: string): string;
  /** a request to the node's service; rejects with its reason */
  ask(ip: string, request: `BLINK ${0 | 1}`): Promise<void>;
}

/** As many requests, and as much time, as WalT's server takes. */
const PING = ['-n', '-c', '10', '-w', '11'];

/** Asks nodes for signs of life. */
export class NodeContact {
  readonly #parts: ContactParts;

  constructor(parts: ContactParts) {
    this.#parts = parts;
  }

  /** What `ping` says goes to the viewer, which is told at the end when the node did not answer. */
  ping(node: string, viewer: ConsoleViewer): void {
    const child = spawn('ping', [...PING, this.#parts.addressOf(node)], {
      env: { ...process.env, LC_ALL: 'C', PATH: toolPath() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Its few lines fit into any window.
    for (const output of [child.stdout, child.stderr]) {
      output.on('data', (data: Buffer) => void viewer.write(data));
    }
    viewer.onClose(() => child.kill());
    child.once('error', (error) => viewer.end(notStarted(error)));
    child.once('close', (code) => viewer.end(code === 0 ? undefined : `Node ${node} does not answer.`));
  }

  /** Resolves when the node has blinked for that long; throws WalT's sentence when its image cannot. */
  async blink(node: string, seconds: number, signal: AbortSignal): Promise<void> {
    const ip = this.#parts.addressOf(node);
    await this.#askToBlink(node, ip, 1);
    await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
    await this.#askToBlink(node, ip, 0);
  }

  async #askToBlink(node: string, ip: string, on: 0 | 1): Promise<void> {
    try {
      await this.#parts.ask(ip, `BLINK ${on}`);
    } catch (error) {
      throw new BootyardError('node.blink', `Blink request to ${node} failed: ${messageOf(error)}`, { node });
    }
  }
}

function notStarted(error: Error): string {
  if (systemCode(error) !== 'ENOENT') return `ping cannot be started: ${messageOf(error)}.`;
  return `ping is not installed: ${installCommand(['ping'])}`;
}
