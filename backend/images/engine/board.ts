import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import { type EngineAddress, engineAddresses, givenAddress } from './addresses.ts';
import { streamEngine } from './call.ts';
import { connectEngine, type Engine, type EngineKind } from './connect.ts';
import { type EngineImage, listEngineImages } from './images.ts';

export type EngineState = 'connected' | 'absent' | 'refused' | 'tooOld' | 'silent' | 'unsupported';
/** What is known of an engine. */
export interface EngineStatus {
  /** as links have it; the address while its kind is not known */
  name: string;
  kind: EngineKind | null;
  version: string | null;
  address: string;
  state: EngineState;
  /** a sentence, while it is not connected */
  reason: string | null;
  /** those that are made for nodes */
  images: EngineImage[];
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** A build tells of several images at once. */
const SETTLE_MS = 200;

/**
 * Follows all engines of this user, each on its own: its events say when its images are not what they were, and one that
 * cannot be reached is tried again, less and less often. Trouble is a state; it is never thrown.
 */
export class EngineBoard {
  readonly #onChange: () => void;
  readonly #watches: Watch[];

  constructor(options: { env: NodeJS.ProcessEnv; onChange: () => void; log: (line: string) => void }) {
    this.#onChange = options.onChange;
    const chosen = givenAddress(options.env.BOOTYARD_ENGINE ?? '', options.env);
    const addresses = chosen ? [chosen] : engineAddresses(options.env);
    this.#watches = addresses.map((address) => new Watch(address, () => this.#onChange(), options.log));
  }

  start(): void {
    for (const watch of this.#watches) void watch.run();
  }
  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  /** Engines that are there, were there, or that somebody has named. */
  list(): EngineStatus[] {
    return this.#named().map(({ status }) => status);
  }

  /** The same, with all images that have a name. */
  async listAll(signal?: AbortSignal): Promise<EngineStatus[]> {
    return Promise.all(
      this.#named().map(async ({ status, engine }) => {
        if (!engine) return status;
        try {
          return {
            ...status,
            images: await listEngineImages(engine, { all: true, ...(signal ? { signal } : {}) }),
          };
        } catch {
          // Its watch finds out why.
          return status;
        }
      }),
    );
  }

  #named(): { status: EngineStatus; engine: Engine | undefined }[] {
    const counts = new Map<string, number>();
    return this.#watches
      .filter((watch) => watch.isOfInterest)
      .map((watch) => {
        const { kind } = watch.status;
        if (kind === null) return watch;
        const count = (counts.get(kind) ?? 0) + 1;
        counts.set(kind, count);
        return {
          engine: watch.engine,
          status: { ...watch.status, name: count === 1 ? kind : `${kind}-${count}` },
        };
      });
  }
}

/** One address, for as long as the daemon lives. */
class Watch {
  status: EngineStatus;
  engine: Engine | undefined;
  readonly #address: EngineAddress;
  readonly #changed: () => void;
  readonly #log: (line: string) => void;
  readonly #ending = new AbortController();
  #pauseMs = FIRST_PAUSE_MS;

  constructor(address: EngineAddress, changed: () => void, log: (line: string) => void) {
    this.#address = address;
    this.#changed = changed;
    this.#log = log;
    const known = { name: address.address, address: address.address, kind: null, version: null };
    this.status = { ...known, state: 'absent', reason: null, images: [] };
  }

  /** Default sockets where nobody ever answered are of none. */
  get isOfInterest(): boolean {
    return this.#address.isAsked || this.status.kind !== null || this.status.state !== 'absent';
  }

  close(): void {
    this.#ending.abort();
  }

  async run(): Promise<void> {
    const { signal } = this.#ending;
    if (this.#address.address.startsWith('tcp:')) {
      const reason = `${this.#address.address} is reached by TCP, to which the lab has no way: the command line uses it, but its images are not followed.`;
      return this.#set({ state: 'unsupported', reason });
    }
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#lost(error);
      }
      await delay(this.#pauseMs, undefined, { signal, ref: false }).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Until the engine goes away, which is thrown. */
  async #follow(signal: AbortSignal): Promise<never> {
    const engine = await connectEngine(this.#address);
    const query = { filters: JSON.stringify({ type: ['image'] }) };
    using request = abortedAtEnd(signal);
    // Asked for before the list, so that no change falls between the two. Podman answers with the first event only.
    const asked = streamEngine(engine, { path: '/events', query, signal: request.signal });
    asked.catch(() => {});
    const tell = async (): Promise<void> => {
      const images = await listEngineImages(engine, { signal: request.signal });
      this.engine = engine;
      this.#pauseMs = FIRST_PAUSE_MS;
      const { kind, version } = engine;
      this.#set({ kind, version, state: 'connected', reason: null, images });
    };
    await tell();
    try {
      for await (const _ of settled(await asked)) await tell();
    } catch {
      // A stream that breaks off ends like one that ends: what is wrong shows when the engine is spoken to again.
    }
    throw new BootyardError('engine.absent', `The container engine at ${engine.address} has ended.`);
  }

  #lost(error: unknown): void {
    this.engine = undefined;
    const code = error instanceof BootyardError ? error.code.replace(/^engine\./, '') : 'silent';
    const states: readonly string[] = ['absent', 'refused', 'tooOld', 'silent', 'unsupported'];
    const state = states.includes(code) ? (code as EngineState) : 'absent';
    const isKnown = error instanceof BootyardError;
    const odd = `The container engine at ${this.#address.address} gives answers that are none of an engine's.`;
    this.#set({ state, reason: isKnown ? error.message : odd, images: [] });
  }

  #set(change: Partial<EngineStatus>): void {
    const before = JSON.stringify(this.status);
    const state = this.status.state;
    this.status = { ...this.status, ...change };
    if (JSON.stringify(this.status) === before) return;
    if (this.status.state !== state) {
      this.#log(`engine ${this.status.address}: ${this.status.reason ?? this.status.state}`);
    }
    this.#changed();
  }
}

/** A signal that is also aborted when it is disposed, so that no request is left open. */
function abortedAtEnd(outer: AbortSignal): Disposable & { signal: AbortSignal } {
  const own = new AbortController();
  return { signal: AbortSignal.any([outer, own.signal]), [Symbol.dispose]: () => own.abort() };
}

/** One value for each burst of chunks. Their content is not read: what is there is asked for anew. */
async function* settled(stream: AsyncIterable<unknown>): AsyncGenerator<void> {
  const chunks = stream[Symbol.asyncIterator]();
  let next = chunks.next();
  for (;;) {
    if ((await next).done) return;
    for (let isQuiet = false; !isQuiet;) {
      next = chunks.next();
      const quiet = delay(SETTLE_MS, 'quiet' as const, { ref: false });
      const first = await Promise.race([next, quiet]);
      if (first === 'quiet') isQuiet = true;
      else if (first.done) return;
    }
    yield;
  }
}
