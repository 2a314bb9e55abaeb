import { readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { hostNetworks } from './host-networks.ts';
import { renderNatFilter } from './nat-filter.ts';
import { runTool } from './tool.ts';
import { closeUplink, doorFiles, openUplink, uplinkIsOpen } from './uplink.ts';

export interface NatOptions {
  /** the lab's folder of sockets and process ids */
  run: string;
  /** addresses and networks of the host that nodes may reach all the same */
  asked: readonly string[];
  log: (line: string) => void;
}

/** The host gets addresses and networks while nodes run (a VPN, a network of containers). */
const LOOK_MS = 3_000;

/**
 * The way out for nodes with `netsetup=NAT`: filter rules and the uplink, which is there as long as such a node is. The
 * kernel and the door hold all of its state, so a new daemon goes on where the old one was.
 */
export class Nat {
  readonly #options: NatOptions;
  #nodes: readonly string[] = [];
  #host: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(options: NatOptions) {
    this.#options = options;
  }

  /**
   * Lets these nodes out, given by their addresses, and no others. Throws `lab.uplink` or `lab.tool` when there is no way
   * out. The caller sees to it that one call follows the other.
   */
  async allow(nodes: readonly string[]): Promise<void> {
    const { run } = this.#options;
    this.close();
    this.#nodes = nodes;
    if (nodes.length === 0) return closeUplink(run);
    await this.#render(this.#hostNetworks());
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
    await openUplink(run);
  }

  /** Looks at the host no more; the way out stays as it is. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { log, run } = this.#options;
    try {
      const host = this.#hostNetworks();
      if (host.join() !== this.#host.join()) await this.#render(host);
      if (this.#timer !== undefined && !uplinkIsOpen()) {
        log('The uplink of the lab has ended; opening it again.');
        await openUplink(run);
        if (this.#nodes.length === 0) closeUplink(run);
      }
    } catch (error) {
      log(messageOf(error));
    } finally {
      this.#isLooking = false;
    }
  }

  #hostNetworks(): string[] {
    return hostNetworks(Number(readFileSync(doorFiles(this.#options.run).pid, 'latin1')));
  }

  async #render(host: readonly string[]): Promise<void> {
    const program = renderNatFilter({ nodes: this.#nodes, host, asked: this.#options.asked });
    await runTool(['nft', '-f', '-'], { input: program });
    this.#host = host;
  }
}
