/** One address of the dynamic range and the client that it belongs, belonged or is offered to. */
export interface Lease {
  /** identity of the client: its hardware address, so that firmware and the booted system get the same address */
  readonly mac: string;
  readonly address: number;
  /** ms since the epoch */
  readonly expires: number;
}

/** Where leases outlive the daemon. Both calls are one transaction each, and have stored all when they return. */
export interface LeaseStore {
  load(): Iterable<Lease>;
  save(leases: readonly Lease[]): void;
  remove(addresses: readonly number[]): void;
}

/** What an answer does to the table. */
export type LeaseChange =
  | { readonly kind: 'offer' | 'bind'; readonly mac: string; readonly address: number }
  | { readonly kind: 'release' | 'decline'; readonly mac: string; readonly address: number };

/** What a reply is decided upon; looking changes nothing that a client could see. */
export interface LeaseView {
  /** false when unknown clients get no address at all */
  readonly hasRange: boolean;
  /** the address that the client holds, held or was offered, if nobody else has got it since */
  held(mac: string): number | undefined;
  /** true when the client holds this very address and its time has not run out */
  isBound(mac: string, address: number, now: number): boolean;
  /** true when the client may have this address of the range */
  isAvailable(address: number, mac: string, now: number): boolean;
  /** an address to offer: the client's own, the one that it wants, one never used, the one unused for longest */
  candidate(mac: string, wanted: number | undefined, now: number): number | undefined;
}

/** What must be stored after a change: a lease that begins or goes on, addresses whose lease ended early. */
export interface StoreChange {
  readonly save?: Lease;
  readonly remove?: number;
}

export interface LeaseTableOptions {
  /** both ends belong to the range; none for a table that gives no addresses */
  range?: { first: number; last: number };
  /** addresses of the range that belong to registered clients, or to the server */
  isReserved?: (address: number) => boolean;
  leaseMs: number;
  /** how long an offer is held for the client; 15 s if not given */
  offerMs?: number;
  /** how long an address rests that a client found in use; 10 min if not given */
  quarantineMs?: number;
}

type State = 'offered' | 'bound' | 'free' | 'declined';
interface Entry {
  mac: string;
  readonly address: number;
  state: State;
  expires: number;
}

/** a full search of the range costs its size, so a full range is searched no more often than this */
const searchEveryMs = 5_000;

/**
 * The dynamic range. It never holds more than one entry per address, so a flood of clients is bounded by the range, and
 * their offers by `offerMs`. All entries of one state last equally long, so each state's entries are kept in the order of
 * their end, and expiry is a look at the oldest.
 */
export class LeaseTable implements LeaseView {
  readonly #options: LeaseTableOptions;
  readonly #durations: { offered: number; bound: number; declined: number };
  readonly #byAddress = new Map<number, Entry>();
  readonly #byMac = new Map<string, Entry>();
  readonly #byState: Record<State, Set<Entry>> = {
    offered: new Set(),
    bound: new Set(),
    free: new Set(),
    declined: new Set(),
  };
  #next: number;
  #searched = -Infinity;

  constructor(options: LeaseTableOptions) {
    this.#options = options;
    this.#durations = {
      offered: options.offerMs ?? 15_000,
      bound: options.leaseMs,
      declined: options.quarantineMs ?? 600_000,
    };
    this.#next = options.range?.first ?? 0;
  }

  get hasRange(): boolean {
    return this.#options.range !== undefined;
  }

  /** Takes up stored leases; those that are over or outside the range are left out. */
  load(leases: Iterable<Lease>, now: number): void {
    const sorted = [...leases].sort((one, other) => one.expires - other.expires);
    for (const lease of sorted) {
      if (lease.expires <= now || !this.#isInRange(lease.address) || this.#byAddress.has(lease.address))
        continue;
      if (this.#byMac.has(lease.mac)) continue;
      this.#insert({ ...lease, state: 'bound' });
    }
  }

  held(mac: string): number | undefined {
    const entry = this.#byMac.get(mac);
    return entry && !this.#isReserved(entry.address) ? entry.address : undefined;
  }

  isBound(mac: string, address: number, now: number): boolean {
    const entry = this.#byAddress.get(address);
    return entry?.mac === mac && entry.state === 'bound' && entry.expires > now;
  }

  isAvailable(address: number, mac: string, now: number): boolean {
    if (!this.#isInRange(address) || this.#isReserved(address)) return false;
    const entry = this.#byAddress.get(address);
    if (!entry || entry.state === 'free' || entry.expires <= now) return true;
    return entry.mac === mac && entry.state !== 'declined';
  }

  candidate(mac: string, wanted: number | undefined, now: number): number | undefined {
    const own = this.held(mac);
    if (own !== undefined) return own;
    if (wanted !== undefined && this.isAvailable(wanted, mac, now)) return wanted;
    this.expire(now);
    return this.#neverUsed() ?? this.#longestFree() ?? this.#searchAgain(now);
  }

  /** Carries out what a reply decided. */
  apply(change: LeaseChange, now: number): StoreChange {
    switch (change.kind) {
      case 'offer':
        // A client that asks again, while its lease runs, keeps it.
        return this.isBound(change.mac, change.address, now) ? {} : this.#give(change, 'offered', now);
      case 'bind':
        return this.#give(change, 'bound', now);
      case 'release':
        return this.#release(change);
      case 'decline':
        return this.#decline(change, now);
    }
  }

  /** Frees what is over; returns how many entries that were. */
  expire(now: number): number {
    let count = 0;
    for (const state of ['offered', 'bound', 'declined'] as const) {
      for (const entry of this.#byState[state]) {
        if (entry.expires > now) break;
        this.#move(entry, 'free');
        count++;
      }
    }
    return count;
  }

  /** Entries by state: the size of the table is bounded by the range. */
  counts(): Record<State, number> {
    const { offered, bound, free, declined } = this.#byState;
    return { offered: offered.size, bound: bound.size, free: free.size, declined: declined.size };
  }

  #give(change: LeaseChange, state: 'offered' | 'bound', now: number): StoreChange {
    const remove = this.#leave(change);
    const expires = now + this.#durations[state];
    const entry = this.#byAddress.get(change.address);
    if (!entry) {
      this.#insert({ mac: change.mac, address: change.address, state, expires });
    } else {
      if (this.#byMac.get(entry.mac) === entry) this.#byMac.delete(entry.mac);
      entry.mac = change.mac;
      entry.expires = expires;
      this.#byMac.set(entry.mac, entry);
      this.#move(entry, state);
    }
    const save = state === 'bound' ? { mac: change.mac, address: change.address, expires } : undefined;
    return { save, remove };
  }

  /** A client has one address: it leaves the one that it had before. */
  #leave(change: LeaseChange): number | undefined {
    const before = this.#byMac.get(change.mac);
    if (!before || before.address === change.address) return undefined;
    this.#byMac.delete(change.mac);
    const wasBound = before.state === 'bound';
    this.#move(before, 'free');
    return wasBound ? before.address : undefined;
  }

  #release(change: LeaseChange): StoreChange {
    const entry = this.#byAddress.get(change.address);
    if (entry?.mac !== change.mac || (entry.state !== 'bound' && entry.state !== 'offered')) return {};
    const remove = entry.state === 'bound' ? entry.address : undefined;
    this.#move(entry, 'free');
    return { remove };
  }

  #decline(change: LeaseChange, now: number): StoreChange {
    const entry = this.#byAddress.get(change.address);
    if (entry?.mac !== change.mac || (entry.state !== 'bound' && entry.state !== 'offered')) return {};
    const remove = entry.state === 'bound' ? entry.address : undefined;
    this.#byMac.delete(entry.mac);
    entry.expires = now + this.#durations.declined;
    this.#move(entry, 'declined');
    return { remove };
  }

  #insert(entry: Entry): void {
    this.#byAddress.set(entry.address, entry);
    this.#byMac.set(entry.mac, entry);
    this.#byState[entry.state].add(entry);
  }

  /** Also when the state stays the same: the entry goes to the end of its queue. */
  #move(entry: Entry, state: State): void {
    this.#byState[entry.state].delete(entry);
    entry.state = state;
    this.#byState[state].add(entry);
  }

  #isInRange(address: number): boolean {
    const range = this.#options.range;
    return range !== undefined && address >= range.first && address <= range.last;
  }

  #isReserved(address: number): boolean {
    return this.#options.isReserved?.(address) ?? false;
  }

  #neverUsed(): number | undefined {
    const range = this.#options.range;
    if (!range) return undefined;
    while (this.#next <= range.last && (this.#byAddress.has(this.#next) || this.#isReserved(this.#next))) {
      this.#next++;
    }
    return this.#next <= range.last ? this.#next : undefined;
  }

  #longestFree(): number | undefined {
    for (const entry of this.#byState.free) {
      if (!this.#isReserved(entry.address)) return entry.address;
    }
    return undefined;
  }

  /** Addresses that were reserved when the search passed them, and are no more, turn up here. */
  #searchAgain(now: number): number | undefined {
    if (now - this.#searched < searchEveryMs) return undefined;
    this.#searched = now;
    this.#next = this.#options.range?.first ?? 0;
    return this.#neverUsed();
  }
}
