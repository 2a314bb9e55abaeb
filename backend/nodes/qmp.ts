import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { BootyardError, systemCode } from '../errors.ts';

/** Messages of the QEMU Machine Protocol (QEMU, docs/interop/qmp-spec): one JSON object per line. */
const Greeting = z.object({ QMP: z.object({ version: z.unknown() }) });
const Reply = z.object({ return: z.unknown(), id: z.number() });
const Refusal = z.object({
  error: z.object({ class: z.string(), desc: z.string() }),
  id: z.number().optional(),
});
const Event = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
});
export type QmpEvent = z.infer<typeof Event>;

export interface QmpOptions {
  onEvent?: (event: QmpEvent) => void;
  /** called once, when the connection has ended after it was made */
  onClose?: () => void;
  /** ends the attempt to connect */
  signal?: AbortSignal;
  /** limit of the connecting, and of each command. ms */
  timeoutMs?: number;
}

/** No answer of QEMU to what Bootyard asks comes near this; a longer line ends the connection. */
const MAX_LINE = 1024 * 1024;
const TIMEOUT_MS = 10_000;
const RETRY_MS = 25;

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

/** A connection to one QEMU, ready for commands. QEMU talks to one client at a time and waits for the next. */
export class QmpClient {
  readonly #socket: Socket;
  readonly #options: QmpOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #greeting = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #buffer = '';
  #nextId = 1;

  private constructor(socket: Socket, options: QmpOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#greeting.promise.catch(() => undefined);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
    socket.once('close', () => this.#ended());
  }

  /**
   * Connects to the socket that QEMU makes (tries again until it is there), and negotiates. Throws `node.qmp` when time
   * is up or something else than QEMU answers, and the reason of `signal`.
   */
  static async connect(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    const deadline = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
    const socket = await reach(path, deadline, options.signal);
    const client = new QmpClient(socket, { ...options, onClose: undefined });
    try {
      await client.#negotiate(Math.max(1, deadline - performance.now()), options.signal);
    } catch (error) {
      client.close();
      throw error;
    }
    if (socket.closed) options.onClose?.();
    else client.#options.onClose = options.onClose;
    return client;
  }

  /** resolves when the connection has ended and all that QEMU sent has been taken */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sends a command; resolves with what it returns. Throws `node.qmp` when it is refused, lost or too slow. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(qmpError(`${command}: the connection to QEMU is closed`));
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(qmpError(`QEMU did not answer ${command} in time`));
      }, this.#options.timeoutMs ?? TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #negotiate(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const late = setTimeout(() => this.#greeting.reject(qmpError('QEMU did not greet')), limitMs);
    const abort = () => this.#greeting.reject(reasonOf(signal));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      await this.#greeting.promise;
      await this.execute('qmp_capabilities');
      signal?.throwIfAborted();
    } finally {
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
    }
  }

  #take(text: string): void {
    this.#buffer += text;
    let start = 0;
    for (let end; (end = this.#buffer.indexOf('\n', start)) >= 0; start = end + 1) {
      this.#line(this.#buffer.slice(start, end));
    }
    this.#buffer = this.#buffer.slice(start);
    if (this.#buffer.length > MAX_LINE) this.#socket.destroy();
  }

  /** A line that is no message of the protocol is passed over: the answer to a command then fails by its time limit. */
  #line(line: string): void {
    const message = parseJson(line);
    if (message === undefined) return;
    const reply = Reply.safeParse(message);
    if (reply.success && 'return' in (message as object))
      return this.#settle(reply.data.id, reply.data.return);
    const refusal = Refusal.safeParse(message);
    if (refusal.success) {
      return this.#settle(refusal.data.id ?? -1, qmpError(`QEMU refused: ${refusal.data.error.desc}`));
    }
    const event = Event.safeParse(message);
    if (event.success) return this.#options.onEvent?.(event.data);
    if (Greeting.safeParse(message).success) this.#greeting.resolve();
  }

  #settle(id: number, result: unknown): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (result instanceof Error) pending.reject(result);
    else pending.resolve(result);
  }

  #ended(): void {
    const error = qmpError('the connection to QEMU ended');
    this.#greeting.reject(error);
    this.#closed.resolve();
    for (const id of this.#pending.keys()) this.#settle(id, error);
    this.#options.onClose?.();
  }
}

/** Connects; a socket that is not there yet, or that nobody listens on yet, is tried again until `deadline`. */
async function reach(path: string, deadline: number, signal: AbortSignal | undefined): Promise<Socket> {
  for (;;) {
    signal?.throwIfAborted();
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      const notYet = ['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes(systemCode(error) ?? '');
      if (!notYet || performance.now() > deadline) {
        throw qmpError(`QEMU does not answer on ${path} (${systemCode(error) ?? 'no connection'})`);
      }
    }
    await delay(RETRY_MS);
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : qmpError('the connecting was ended');
}

function qmpError(sentence: string): BootyardError {
  return new BootyardError('node.qmp', sentence);
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
