import type { Publish } from '../../events/bus.ts';
import { BootyardError, messageOf } from '../../errors.ts';
import { EventShares } from '../event-shares.ts';
import { addressNumber, addressText } from './addresses.ts';
import { decode, encode } from './codec.ts';
import { LeaseTable } from './leases.ts';
import type { Lease, LeaseStore } from './leases.ts';
import type { DhcpPolicy } from './policy.ts';
import { networkOptions } from './reply-options.ts';
import type { NetworkOptions } from './reply-options.ts';
import { reply } from './reply.ts';
import type { Answer, Outcome } from './reply.ts';
import { DhcpSockets } from './sockets.ts';

export interface DhcpServerOptions {
  /** the server's own address, dotted; the interface that has it is the one served */
  address: string;
  /** dotted */
  subnetMask: string;
  /** first and last address for unknown clients; without it only registered clients are served */
  range?: { first: string; last: string };
  policy: DhcpPolicy;
  publish: Publish;
  /** where leases of the range outlive the daemon */
  store?: LeaseStore;
  /** 6,000,000 if not given */
  leaseSeconds?: number;
  /** ms that an offer is held; 15,000 if not given */
  offerMs?: number;
  port?: number;
  clientPort?: number;
  /** ms since the epoch */
  clock?: () => number;
}

/** more answers than this do not wait for the store: the client asks again */
const mostWaiting = 4096;
/** ms between two transactions: each costs the disk a write that must be waited for */
const storeEveryMs = 1;
/** bytes that may wait for a slow or shaped interface */
const mostQueued = 1 << 20;

/**
 * The lab's DHCP server. Durability: an ACK of the dynamic range leaves only after its lease is stored. A single lease is
 * stored at once, those of a storm share a transaction every few milliseconds. Registered clients have their addresses elsewhere and are not stored.
 */
export class DhcpServer {
  readonly #options: DhcpServerOptions;
  readonly #network: NetworkOptions;
  readonly #leases: LeaseTable;
  readonly #clock: () => number;
  readonly #shares = new EventShares();
  readonly #serverPort: number;
  readonly #clientPort: number;
  #sockets: DhcpSockets | undefined;
  #waiting: Answer[] = [];
  /** by address, what shall be stored: a lease, or nothing any more */
  #unstored = new Map<number, Lease | undefined>();
  #flush: NodeJS.Timeout | undefined;
  #storedAt = 0;

  /** Throws `dhcp.config` when an address is none or lies outside the network. */
  constructor(options: DhcpServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#serverPort = options.port ?? 67;
    this.#clientPort = options.clientPort ?? 68;
    const server = configured(options.address, 'address');
    this.#network = networkOptions(
      server,
      configured(options.subnetMask, 'subnet mask'),
      options.leaseSeconds,
    );
    const { policy, range } = options;
    this.#leases = new LeaseTable({
      range: range && { first: configured(range.first, 'range'), last: configured(range.last, 'range') },
      isReserved: (address) => address === server || policy.isReserved(addressText(address)),
      leaseMs: this.#network.leaseSeconds * 1000,
      offerMs: options.offerMs,
    });
  }

  /** Throws `dhcp.port` when the ports cannot be had. */
  async start(): Promise<void> {
    if (this.#options.store) this.#leases.load(this.#options.store.load(), this.#clock());
    this.#sockets = await DhcpSockets.open(
      this.#options.address,
      this.#serverPort,
      (packet) => this.#receive(packet),
      (error) => this.#problem(messageOf(error)),
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.#flush);
    this.#store();
    const sockets = this.#sockets;
    this.#sockets = undefined;
    await sockets?.close();
  }

  /** Addresses of the range by state. */
  leaseCounts(): { offered: number; bound: number; free: number; declined: number } {
    return this.#leases.counts();
  }

  #receive(packet: Uint8Array): void {
    try {
      const request = decode(packet);
      if (!request) return this.#problem('the packet is not a DHCP message');
      const now = this.#clock();
      const outcome = reply(request, {
        network: this.#network,
        policy: this.#options.policy,
        leases: this.#leases,
        now,
        serverPort: this.#serverPort,
        clientPort: this.#clientPort,
      });
      this.#carryOut(outcome, now);
    } catch (error) {
      // A policy that fails must cost one answer, not the server.
      this.#problem(messageOf(error));
    }
  }

  #carryOut(outcome: Outcome, now: number): void {
    const { save, remove } = outcome.change ? this.#leases.apply(outcome.change, now) : {};
    if (this.#options.store) {
      if (remove !== undefined) this.#unstored.set(remove, undefined);
      if (save) this.#unstored.set(save.address, save);
      if (save || remove !== undefined) this.#planCommit();
      if (save && outcome.answer) {
        if (this.#waiting.length < mostWaiting) this.#waiting.push(outcome);
        return;
      }
    }
    if (outcome.answer) this.#answer(outcome);
    else this.#publish(outcome);
  }

  #planCommit(): void {
    const wait = Math.max(0, this.#storedAt + storeEveryMs - performance.now());
    this.#flush ??= setTimeout(() => this.#commit(), wait);
  }

  /** Stores what changed since the last time, then sends the answers that waited for it. */
  #commit(): void {
    this.#flush = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    const failure = this.#store();
    this.#storedAt = performance.now();
    for (const answer of waiting) {
      if (failure)
        this.#publish({ ...answer, answer: undefined, cause: `its lease could not be stored: ${failure}` });
      else this.#answer(answer);
    }
  }

  #answer(answer: Answer): void {
    try {
      this.#send(answer);
      this.#publish(answer);
    } catch (error) {
      this.#problem(messageOf(error));
    }
  }

  /** Returns what went wrong. */
  #store(): string | undefined {
    const unstored = this.#unstored;
    this.#unstored = new Map();
    const removals = [...unstored.keys()].filter((address) => !unstored.get(address));
    const saves = [...unstored.values()].filter((lease) => lease !== undefined);
    try {
      if (removals.length > 0) this.#options.store?.remove(removals);
      if (saves.length > 0) this.#options.store?.save(saves);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  #send(answer: Answer): void {
    const sockets = this.#sockets;
    if (!sockets || sockets.queued > mostQueued) return;
    const { address, port } = answer.destination;
    sockets.send(encode(answer.message, answer.limit), port, address, this.#onSent);
    if (answer.answer === 'ACK' && answer.message.yiaddr !== 0) {
      this.#options.policy.onBound?.(answer.client, addressText(answer.message.yiaddr));
    }
  }

  readonly #onSent = (error: Error | null): void => {
    if (error) this.#problem(`the answer could not be sent: ${error.message}`);
  };

  #publish(outcome: Outcome): void {
    const { client } = outcome;
    if (!this.#admit(outcome.isRegistered ? client.mac : undefined)) return;
    const address = outcome.address === undefined ? undefined : addressText(outcome.address);
    this.#options.publish({
      kind: 'dhcp',
      node: client.mac,
      client: outcome.answer === 'ACK' ? address : undefined,
      message: outcome.request,
      answer: outcome.answer,
      address,
      cause: outcome.cause,
      vendorClass: client.vendorClass,
      userClass: client.userClass,
      architecture: client.architecture,
      bootFile: outcome.answer ? outcome.bootFile : undefined,
    });
  }

  /** Something that belongs to no client. */
  #problem(cause: string): void {
    if (this.#admit()) this.#options.publish({ kind: 'dhcp', message: 'packet', cause });
  }

  /** Registered clients have a share of events each; all others have one together, for their number is anybody's choice. */
  #admit(mac = ''): boolean {
    const withheld = this.#shares.admit(mac, this.#clock());
    if (withheld === undefined) return false;
    if (withheld > 0) {
      const cause = `${withheld} more packets of ${mac ? 'this client' : 'unknown clients'} were not listed`;
      this.#options.publish({ kind: 'dhcp', node: mac || undefined, message: 'packets', cause });
    }
    return true;
  }
}

function configured(text: string, what: string): number {
  const address = addressNumber(text);
  if (address === undefined) {
    throw new BootyardError(
      'dhcp.config',
      `The DHCP server's ${what} is ${text}, which is not an IPv4 address: write it as 192.168.152.1.`,
      { text },
    );
  }
  return address;
}
