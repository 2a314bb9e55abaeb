import * as z from 'zod';
import { BootyardError } from '../errors.ts';

/** One port of the host that leads, or should lead, to a port of a node. */
export const PortInfo = z.object({
  node: z.string(),
  nodePort: z.number(),
  /** 0 only for one that could not be opened and whose number was to be chosen */
  hostPort: z.number(),
  /** address of the host that it is open on */
  address: z.string(),
  /** by the setting `expose`; else by a command or an editor, until that ends */
  permanent: z.boolean(),
  state: z.enum(['open', 'closed']),
  /** why it is closed */
  reason: z.string().nullable(),
});
export type PortInfo = z.infer<typeof PortInfo>;

/** What the process that has opened a port keeps open with it. */
interface Holder {
  onClose(listener: () => void): void;
}

/** The setting of a node, taken apart. */
export type ExposedPort = Pick<PortInfo, 'node' | 'nodePort' | 'hostPort'>;

export interface PortBoardParts {
  /** what the settings of all nodes ask for */
  exposed: () => ExposedPort[];
  /** asks the host's side of the lab for the process that opens ports */
  ring: () => void;
  onChange: (ports: PortInfo[]) => void;
}

/** How long the process that opens the ports of settings may take to come (back) before it is asked for. ms */
const PATIENCE_MS = 3_000;

/**
 * Which ports of the host lead into nodes. The lab has a network of its own, so ports of the host are opened by processes
 * of the host: commands and editors for a while, and one that serves the settings. Each tells this board, and holds its
 * entry by a stream of the API.
 */
export class PortBoard {
  readonly #parts: PortBoardParts;
  readonly #held = new Set<PortInfo>();
  #isServed = false;
  #wanted = '[]';
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: PortBoardParts) {
    this.#parts = parts;
  }

  /** Held ports, and those of settings that nobody has opened (yet). */
  list(): PortInfo[] {
    const held = [...this.#held];
    const missing = this.#parts
      .exposed()
      .filter((port) => !held.some((other) => other.permanent && isSame(other, port)))
      .map((port): PortInfo => {
        const reason = 'It is being opened.';
        return { ...port, address: '127.0.0.1', permanent: true, state: 'closed', reason };
      });
    return [...held, ...missing].sort((a, b) => a.node.localeCompare(b.node) || a.nodePort - b.nodePort);
  }

  /** A process of the host has opened a port, or could not; that holds until `holder` closes. */
  hold(port: Omit<PortInfo, 'state'>, holder: Holder): void {
    const held: PortInfo = { ...port, state: port.reason === null ? 'open' : 'closed' };
    this.#held.add(held);
    holder.onClose(() => {
      this.#held.delete(held);
      this.#tell();
    });
    this.#tell();
  }

  /** The process that opens the ports of settings; there is one. Throws `port.served` for a second one. */
  serve(holder: Holder): void {
    if (this.#isServed) throw new BootyardError('port.served', 'Another process opens the ports of nodes.');
    this.#isServed = true;
    holder.onClose(() => {
      this.#isServed = false;
      this.#watch(0);
    });
  }

  /** Nodes have changed, maybe what they expose: sees to it that ports are opened. */
  changed(): void {
    const wanted = JSON.stringify(this.#parts.exposed());
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#tell();
    this.#watch(0);
  }

  /** An earlier daemon's process finds this one by itself. */
  start(): void {
    this.#watch(PATIENCE_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #tell(): void {
    if (!this.#closed) this.#parts.onChange(this.list());
  }

  #watch(afterMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      if (this.#isServed || this.#parts.exposed().length === 0) return;
      this.#parts.ring();
      this.#watch(PATIENCE_MS);
    }, afterMs);
  }
}

function isSame(one: ExposedPort, other: ExposedPort): boolean {
  return one.node === other.node && one.nodePort === other.nodePort && one.hostPort === other.hostPort;
}
