import { setTimeout as delay } from 'node:timers/promises';
import { nodeOutput } from '../agent/node-output.ts';
import { BootyardError, messageOf } from '../errors.ts';
import type { ImportControl } from '../images/staging.ts';
import type { NodeInfo } from './info.ts';
import type { NodeManager } from './manager.ts';
import type { NodeSettings } from './settings.ts';

export interface TemporaryParts {
  nodes: Pick<NodeManager, 'create' | 'wait' | 'one' | 'remove' | 'temporary'>;
  /** what to start here to run a command in a node */
  argv: (ip: string, command: string) => string[];
  log: (line: string) => void;
  /** how long a node of an earlier daemon waits for its user; ms */
  graceMs?: number;
}
export interface TemporaryWish {
  image: string;
  /** the image's own when absent */
  model?: string;
  /** of the node; a number is added when it is taken */
  name: string;
  settings?: NodeSettings;
}
type Control = Required<ImportControl>;

/** A node for one job, booted. `remove` ends it with all it has, once, and never throws. */
export interface TemporaryNode {
  readonly name: string;
  readonly ip: string;
  remove(): Promise<void>;
}

const GRACE_MS = 60_000;
const STAGE_MS = 500;
/** An image that says it is booted may start its ssh server a moment later. */
const SSH_MS = 60_000;
/**
 * What is written is kept on a disk of the node's own: more than memory has room for, and a reboot or crash takes nothing.
 * With the internet, as a container has it, and no second try of a boot that fails.
 */
const SETTINGS: NodeSettings = {
  netsetup: 'NAT',
  ram: '1G',
  'boot.mode': 'network-persistent',
  'boot.retries': 0,
};

/** Nodes that are made for one job on an image, that no list of nodes shows, and that go with the job whatever happens. */
export class TemporaryNodes {
  readonly #parts: TemporaryParts;
  /** those whose job is known here */
  readonly #held = new Map<string, TemporaryNode>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(parts: TemporaryParts) {
    this.#parts = parts;
  }

  /** Removes what is left of earlier daemons: at once what does not run, the rest when nobody takes it again. */
  async start(): Promise<void> {
    await this.#removeUnheld(({ state }) => state === 'off' || state === 'failed');
    const sweep = () => void this.#removeUnheld(() => true);
    this.#sweep = setTimeout(sweep, this.#parts.graceMs ?? GRACE_MS);
    this.#sweep.unref();
  }

  close(): void {
    clearTimeout(this.#sweep);
  }

  /**
   * Boots a node on an image, with the model that the image serves, and answers when ssh does. Throws why it does not come
   * up, and the reason of the signal; there is no node then.
   */
  async boot({ image, name, settings }: TemporaryWish, control: Control): Promise<TemporaryNode> {
    control.signal.throwIfAborted();
    const params = { image, name: this.#freeName(name), settings: { ...SETTINGS, ...settings } };
    const held = this.#hold(params.name);
    const told = setInterval(() => this.#tell(params.name, image, control), STAGE_MS);
    try {
      const { ip } = await this.#parts.nodes.create({ ...params, temporary: true });
      await this.#parts.nodes.wait([params.name], undefined, control.signal);
      await this.#answers(ip, control.signal);
      return { ...held, ip };
    } catch (error) {
      await held.remove();
      throw error;
    } finally {
      clearInterval(told);
    }
  }

  /**
   * Switches a node on with these settings and no others, and answers when its machine runs, whatever its boot comes to.
   * Throws why it does not, and the reason of the signal; there is no node then.
   */
  async begin({ name, ...wish }: TemporaryWish, signal: AbortSignal): Promise<TemporaryNode> {
    const held = this.#hold(this.#freeName(name));
    try {
      const { ip } = await this.#parts.nodes.create({ ...wish, name: held.name, temporary: true });
      signal.throwIfAborted();
      return { ...held, ip };
    } catch (error) {
      await held.remove();
      throw error;
    }
  }

  /** A node that is there, maybe since an earlier daemon, whose user has come back. Throws `node.unknown`. */
  take(name: string): TemporaryNode {
    const found = this.#parts.nodes.temporary().find((node) => node.name === name);
    if (found) return { ...(this.#held.get(name) ?? this.#hold(name)), ip: found.ip };
    throw new BootyardError('node.unknown', `The temporary node ${name} is gone.`, { node: name });
  }

  #hold(name: string): TemporaryNode {
    let removal: Promise<void> | undefined;
    const held = { name, ip: '', remove: () => (removal ??= this.#remove(name)) };
    this.#held.set(name, held);
    return held;
  }

  async #remove(name: string): Promise<void> {
    try {
      if (this.#parts.nodes.temporary().some((node) => node.name === name)) {
        await this.#parts.nodes.remove([name], true);
      }
    } catch (error) {
      this.#parts.log(`temporary node ${name} is not removed: ${messageOf(error)}`);
    } finally {
      this.#held.delete(name);
    }
  }

  async #removeUnheld(isMeant: (node: NodeInfo) => boolean): Promise<void> {
    const left = this.#parts.nodes.temporary().filter((node) => !this.#held.has(node.name) && isMeant(node));
    if (left.length > 0) this.#parts.log(`removing ${left.length} temporary node(s) that nobody uses`);
    await Promise.all(left.map((node) => this.#remove(node.name)));
  }

  #tell(name: string, image: string, { progress }: Control): void {
    const stage = this.#parts.nodes.temporary().find((node) => node.name === name)?.stage;
    if (stage) progress({ message: `Booting a temporary node on ${image}: ${stage}` });
  }

  async #answers(ip: string, signal: AbortSignal): Promise<void> {
    const end = Date.now() + SSH_MS;
    for (;;) {
      try {
        for await (const _ of nodeOutput(this.#parts.argv(ip, 'true'), signal));
        return;
      } catch (error) {
        if (signal.aborted || Date.now() > end) throw error;
        await delay(1000, undefined, { signal });
      }
    }
  }

  #freeName(name: string): string {
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? name : `${name}-${number}`;
      if (!this.#held.has(candidate) && !this.#isTaken(candidate)) return candidate;
    }
  }
  #isTaken(name: string): boolean {
    try {
      this.#parts.nodes.one(name);
      return true;
    } catch {
      return false;
    }
  }
}
