/** A number of events at once, and a number per second in the long run. */
export interface EventRate {
  perSecond: number;
  burst: number;
}

class Share {
  withheld = 0;
  readonly #rate: EventRate;
  #tokens: number;
  #filled = 0;
  #closedUntil = 0;

  constructor(rate: EventRate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  take(now: number): boolean {
    const gained = (Math.max(0, now - this.#filled) * this.#rate.perSecond) / 1000;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + gained);
    this.#filled = now;
    if (now < this.#closedUntil) return false;
    if (this.#tokens < 1) {
      // Rather a second of silence and one count of it than a count after each event.
      this.#closedUntil = now + 1000;
      return false;
    }
    this.#tokens--;
    return true;
  }
}

const mostClients = 1024;

/**
 * Which events of a packet server may be published: a flood of packets must not become a flood of events, and a client that
 * floods must not hide the events of others. Each client has a share; all together have a larger one.
 */
export class EventShares {
  readonly #perClient: EventRate;
  readonly #total: Share;
  readonly #clients = new Map<string, Share>();

  constructor(
    perClient: EventRate = { perSecond: 50, burst: 200 },
    total: EventRate = { perSecond: 500, burst: 2000 },
  ) {
    this.#perClient = perClient;
    this.#total = new Share(total);
  }

  /**
   * Undefined: do not publish. Otherwise the number of events of this client that were withheld since its last one.
   * `now` in ms.
   */
  admit(client: string, now: number): number | undefined {
    const share = this.#clients.get(client) ?? this.#open(client);
    if (!share.take(now) || !this.#total.take(now)) {
      share.withheld++;
      return undefined;
    }
    const { withheld } = share;
    share.withheld = 0;
    return withheld;
  }

  #open(client: string): Share {
    const oldest = this.#clients.keys().next();
    if (this.#clients.size >= mostClients && !oldest.done) this.#clients.delete(oldest.value);
    const share = new Share(this.#perClient);
    this.#clients.set(client, share);
    return share;
  }
}
