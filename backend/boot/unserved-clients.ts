import type { BusEvent, EventBus } from '../events/bus.ts';
import { RANGE_FULL, RANGE_OFFER } from '../protocols/dhcp/reply.ts';

/** Addresses of unknown clients; registered nodes count up from .2. */
export const DYNAMIC_RANGE = { first: '192.168.152.200', last: '192.168.152.250' };
/** Somebody who asks in vain asks again: that is said so often. ms */
const EVERY_MS = 60_000;

/**
 * Machines in the lab's network that are no nodes, and get no address as there is none left for them. A node's boot is
 * explained to its user; of these the lab itself tells, in its log (stream `platform.devices`) and its status.
 */
export class UnservedClients {
  readonly #bus: EventBus;
  readonly #onChange: () => void;
  #notice: string | undefined;
  #saidAt = -Infinity;

  /** `onChange`: there is a notice, another one, or none any more */
  constructor(bus: EventBus, onChange: () => void) {
    this.#bus = bus;
    this.#onChange = onChange;
    bus.subscribe((event) => this.#take(event));
  }

  #take(event: BusEvent): void {
    if (event.kind !== 'dhcp') return;
    if (event.cause === RANGE_OFFER) this.#set(undefined);
    if (event.cause !== RANGE_FULL) return;
    const { first, last } = DYNAMIC_RANGE;
    const notice =
      `No DHCP answer for ${event.node ?? 'a machine'}, which is no node of this lab: all addresses for such machines ` +
      `(${first} to ${last}) are taken; give back one that is not needed ('dhclient -r' on its machine), or all of them ` +
      `with 'bootyard lab stop' and 'bootyard lab start', which also ends the nodes.`;
    this.#set(notice);
    if (performance.now() - this.#saidAt < EVERY_MS) return;
    this.#saidAt = performance.now();
    this.#bus.publish({ kind: 'log', stream: 'platform.devices', line: notice, timestamp: Date.now() });
  }

  #set(notice: string | undefined): void {
    if (notice === this.#notice) return;
    this.#notice = notice;
    this.#onChange();
  }

  /** What is to be known of it, until such a machine is offered an address. */
  get notice(): string | undefined {
    return this.#notice;
  }
}
