import type { Socket } from 'node:net';
import { messageOf, systemCode } from '../../errors.ts';
import type { NbdEvent } from '../../events/bus.ts';
import type { BufferPool } from './buffer-pool.ts';
import { ByteQueue } from './byte-queue.ts';
import type { NbdExport, NbdStore } from './export.ts';
import { greeting, Handshake, type Chosen } from './handshake.ts';
import { Outbox } from './outbox.ts';
import { Transmission } from './transmission.ts';

const KEEPALIVE_MS = 15_000;
/** A store that fails does so for every request: once in this time it is said. */
const FAILURE_MS = 10_000;
/** Bytes of option replies that may wait: an honest client reads each before it asks again. */
const MOST_WAITING = 64 * 1024;

export interface ConnectionParts {
  exports: readonly NbdExport[];
  pool: BufferPool;
  /** ms that a client has to choose an export */
  handshakeTimeout: number;
  report: (event: NbdEvent) => void;
}

/** One client's connection, from the greeting to its end. */
export class NbdConnection {
  /** Settles when the socket is closed and nothing of the connection uses its store any more. Never rejects. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #queue = new ByteQueue();
  readonly #outbox: Outbox;
  readonly #handshake: Handshake;
  readonly #timer: NodeJS.Timeout;
  #opening: Promise<void> | undefined;
  #session: Session | undefined;
  #isWorking = false;
  #isClosing = false;
  #cause: string | undefined;
  #nextFailure = 0;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#outbox = new Outbox(socket, parts.pool, () => this.#work());
    this.#handshake = new Handshake(parts.exports, (bytes) => this.#outbox.send(bytes));
    this.#timer = setTimeout(() => this.#close('no export was chosen in time'), parts.handshakeTimeout);
    this.ended = new Promise<void>((resolve) => socket.once('close', resolve)).then(() => this.#end());
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on('data', (chunk) => {
      this.#queue.push(chunk);
      this.#work();
    });
    socket.on('error', () => socket.destroy());
    this.#outbox.send(greeting());
  }

  /** Works off what came in; holds the client back while too much is under way. */
  #work(): void {
    // A reply that is sent within this call reports progress: the loops below see it by themselves.
    if (this.#isWorking || this.#isClosing || this.#socket.destroyed) return;
    this.#isWorking = true;
    const wantsMore = this.#session ? this.#session.transmission.work() : this.#negotiate();
    this.#isWorking = false;
    if (wantsMore && this.#socket.isPaused()) this.#socket.resume();
    else if (!wantsMore && !this.#socket.isPaused()) this.#socket.pause();
  }

  /** True: more bytes are needed. */
  #negotiate(): boolean {
    while (!this.#opening && !this.#isClosing) {
      if (this.#outbox.waiting > MOST_WAITING) this.#close('it does not read the replies to its options');
      const step = this.#handshake.step(this.#queue);
      if (step === 'more') return true;
      if (step === 'next') continue;
      if ('close' in step) this.#close(step.close);
      else this.#opening = this.#open(step);
    }
    return false;
  }

  /** Never rejects. */
  async #open(chosen: Chosen): Promise<void> {
    const { export: opened, welcome, refusal } = chosen;
    try {
      const store = await opened.open();
      this.#outbox.send(welcome);
      this.#session = this.#begin(chosen, store);
    } catch (error) {
      this.#report({
        phase: 'refused',
        path: opened.name,
        cause: `it cannot be opened: ${messageOf(error)}`,
      });
      if (refusal) this.#outbox.send(refusal);
      else this.#close(undefined);
    }
    this.#opening = undefined;
    this.#work();
  }

  #begin({ export: opened, structured }: Chosen, store: NbdStore): Session {
    clearTimeout(this.#timer);
    const { name: path, size, readOnly } = opened;
    this.#report({ phase: 'start', path, bytes: size, storedBytes: store.storedBytes });
    const transmission = new Transmission({
      queue: this.#queue,
      outbox: this.#outbox,
      pool: this.#parts.pool,
      store,
      terms: { size, readOnly, structured },
      onProgress: () => this.#work(),
      onEnd: (cause) => this.#close(cause),
      onFailure: (error) => this.#reportFailure(path, error),
    });
    return { export: opened, store, transmission, started: performance.now() };
  }

  /** What is waiting to be sent still goes. */
  #close(cause: string | undefined): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#cause = cause;
    this.#socket.destroySoon();
  }

  /** The socket is closed. */
  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#opening;
    const cause = this.#cause;
    if (!this.#session) return this.#reportRefusal(this.#handshake.unknownName, cause);
    const { export: opened, store, transmission, started } = this.#session;
    await transmission.abandon();
    this.#report({
      phase: 'end',
      path: opened.name,
      bytes: transmission.bytesRead,
      bytesWritten: transmission.bytesWritten,
      storedBytes: store.storedBytes,
      durationMs: performance.now() - started,
      cause,
    });
    await opened.release(store).catch(() => {});
  }

  #reportRefusal(unknownName: string | undefined, cause: string | undefined): void {
    if (unknownName !== undefined) {
      const path = unknownName.slice(0, 100);
      this.#report({ phase: 'refused', path, cause: 'no export has this name' });
    } else if (cause) this.#report({ phase: 'refused', path: '', cause });
  }
  #reportFailure(path: string, error: unknown): void {
    const now = performance.now();
    if (now < this.#nextFailure) return;
    this.#nextFailure = now + FAILURE_MS;
    const full = systemCode(error) === 'ENOSPC' ? 'no room for its data, ' : '';
    this.#report({ phase: 'refused', path, cause: `a request failed: ${full}${messageOf(error)}` });
  }

  #report(event: Pick<NbdEvent, 'phase' | 'path'> & Partial<NbdEvent>): void {
    this.#parts.report({ bytes: 0, bytesWritten: 0, storedBytes: 0, ...event });
  }
}

/** A connection that uses an export. */
interface Session {
  export: NbdExport;
  store: NbdStore;
  transmission: Transmission;
  /** performance.now() */
  started: number;
}
