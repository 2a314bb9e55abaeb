import { connect as dial, type Socket } from 'node:net';
import { CancellationTokenSource, type MessageConnection, ProgressType } from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { Change } from './change.ts';
import { ChangeFollower, type StateListener } from './change-follower.ts';
import { ClientStream } from './client-stream.ts';
import { methods, type MethodName, type Params, type Progress, type Result } from './contract.ts';
import { PROTOCOL } from './lab.ts';
import { cancelled, connectionLost, firstIssue, fromResponseError } from './rpc-error.ts';
import { streamNotifications } from './stream.ts';
import { connectionOver } from './transport.ts';

export type { StateListener, StateSnapshot } from './change-follower.ts';
export type { ClientStream } from './client-stream.ts';

export interface CallOptions {
  /** cancels the call: it is rejected with `call.cancelled` at once, and the daemon stops the work */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

const progressType = new ProgressType<unknown>();
const ProgressValue = z.object({ message: z.string(), fraction: z.number().optional() });
const HANDSHAKE_MS = 5_000;

/**
 * Connects to the daemon at a Unix socket and greets it. Throws `api.unreachable` when nobody listens there, and
 * `api.protocol` with what to do when the daemon is of another version of the protocol.
 */
export async function connect(
  socketPath: string,
  options: { version: string; signal?: AbortSignal },
): Promise<ApiClient> {
  const socket = await openSocket(socketPath);
  const client = new ApiClient(socket);
  const timeout = AbortSignal.timeout(HANDSHAKE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    const greeting = { protocol: PROTOCOL, version: options.version };
    client.serverVersion = (await client.call('lab.handshake', greeting, { signal })).version;
    return client;
  } catch (error) {
    client.dispose();
    if (!timeout.aborted) throw error;
    throw new BootyardError('api.unreachable', `The daemon at ${socketPath} does not answer: see its log.`, {
      socketPath,
    });
  }
}

async function openSocket(path: string): Promise<Socket> {
  const socket = dial(path);
  return await new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', fail);
      resolve(socket);
    });
    socket.once('error', fail);
    function fail(error: Error): void {
      const absent = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(systemCode(error) ?? '');
      const sentence = absent
        ? `No daemon answers on ${path}.`
        : `The daemon's socket ${path} cannot be opened: ${messageOf(error)}.`;
      reject(new BootyardError(absent ? 'api.unreachable' : 'api.socket', sentence, { path }));
    }
  });
}

/** A typed connection to the daemon; `connect` makes one. Every rejection is a BootyardError. */
export class ApiClient {
  /** the daemon's version */
  serverVersion = '';
  readonly #socket: Socket;
  readonly #connection: MessageConnection;
  readonly #streams = new Map<number, ClientStream>();
  readonly #closeListeners = new Set<() => void>();
  readonly #follower = new ChangeFollower(() => this.call('change.subscribe', {}));
  #lastToken = 0;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#connection = connectionOver(socket, { bounded: false });
    this.#connection.onError(() => socket.destroy());
    this.#connection.onClose(() => this.#close());
    this.#connection.onNotification('stream.data', (params: unknown) => {
      const { stream, data } = streamNotifications['stream.data'].parse(params);
      this.stream(stream).receive(Buffer.from(data, 'base64'));
    });
    this.#connection.onNotification('stream.end', (params: unknown) => {
      const { stream, message } = streamNotifications['stream.end'].parse(params);
      this.stream(stream).finish(message);
    });
    this.#connection.onNotification('change', (params: unknown) =>
      this.#follower.receive(Change.parse(params)),
    );
    this.#connection.listen();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Rejects with the daemon's BootyardError, with `call.cancelled` or, when the daemon ends, with `api.closed`. */
  async call<M extends MethodName>(
    method: M,
    params: Params<M>,
    options: CallOptions = {},
  ): Promise<Result<M>> {
    if (options.signal?.aborted) throw cancelled();
    if (this.#closed) throw connectionLost();
    const progress = this.#followProgress(options.onProgress);
    const source = new CancellationTokenSource();
    const aborted = Promise.withResolvers<never>();
    const abort = () => {
      source.cancel();
      aborted.reject(cancelled());
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      const request = this.#connection.sendRequest<unknown>(
        method,
        { ...params, ...progress.params },
        source.token,
      );
      return this.#checked(method, await Promise.race([request, aborted.promise]));
    } catch (error) {
      throw fromResponseError(error);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      progress.dispose();
      source.dispose();
    }
  }

  /** The stream that a call's result names. */
  stream(id: number): ClientStream {
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = new ClientStream({
        acknowledge: (bytes) => this.#notify('stream.ack', { stream: id, bytes }),
        write: (data) => this.#notify('stream.write', { stream: id, data }),
        close: () => {
          this.#streams.delete(id);
          this.#notify('stream.close', { stream: id });
        },
        ended: () => this.#streams.delete(id),
      });
      this.#streams.set(id, stream);
    }
    return stream;
  }

  /** The serial line of a node, after its history since power-on if asked for, or the last `historyBytes` of it. */
  async openConsole(
    node: string,
    { history, historyBytes, ...options }: CallOptions & { history: boolean; historyBytes?: number },
  ): Promise<ClientStream> {
    const { stream } = await this.call('node.console', { node, history, historyBytes }, options);
    return this.stream(stream);
  }

  /** What the serial line of a node has printed, as text or bytes; see `node.consoleText`. */
  async consoleText(what: Params<'node.consoleText'>, options: CallOptions = {}): Promise<ClientStream> {
    return this.stream((await this.call('node.consoleText', what, options)).stream);
  }

  /** What the serial line of a node has printed, with its pauses; ranges as `node.replay` takes them. */
  async replayConsole(
    node: string,
    options: CallOptions & { range: string; speed: number },
  ): Promise<ClientStream> {
    const { range, speed } = options;
    return this.stream((await this.call('node.replay', { node, range, speed }, options)).stream);
  }

  /** What a capture has of packets, a line each; see `node.packets`. */
  async packets(which: Params<'node.packets'>, options: CallOptions = {}): Promise<ClientStream> {
    return this.stream((await this.call('node.packets', which, options)).stream);
  }

  /** What `ping` says of a node; see `node.ping`. */
  async ping(node: string, options: CallOptions = {}): Promise<ClientStream> {
    return this.stream((await this.call('node.ping', { node }, options)).stream);
  }

  /** Log lines, as frames of `log-lines.ts`; see `log.read`. */
  async readLogs(query: Params<'log.read'>, options: CallOptions = {}): Promise<ClientStream> {
    return this.stream((await this.call('log.read', query, options)).stream);
  }

  /** Lists a port of this host that the caller has opened (`openHostPort`), or could not, until the stream is closed. */
  async holdPort(port: Params<'port.hold'>, options: CallOptions = {}): Promise<ClientStream> {
    return this.stream((await this.call('port.hold', port, options)).stream);
  }

  /** Tells the listener the whole state, then every change; again the whole state when changes were missed. */
  async subscribe(listener: StateListener): Promise<() => void> {
    return await this.#follower.subscribe(listener);
  }

  /** Called once when the connection ends, by whichever side. */
  onClose(listener: () => void): () => void {
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  dispose(): void {
    this.#close();
    this.#socket.destroySoon();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.dispose();
    for (const stream of this.#streams.values()) stream.finish('The connection to the daemon ended.');
    this.#streams.clear();
    for (const listener of this.#closeListeners) listener();
  }

  #checked<M extends MethodName>(method: M, answer: unknown): Result<M> {
    const checked = methods[method].result.safeParse(answer);
    if (checked.success) return checked.data as Result<M>;
    const sentence = `The daemon's answer to ${method} is not understood (${firstIssue(checked.error)}): run \`bootyard lab stop && bootyard lab start\`.`;
    throw new BootyardError('api.answer', sentence, { method });
  }

  #followProgress(listener: ((progress: Progress) => void) | undefined): { params: object; dispose(): void } {
    if (listener === undefined) return { params: {}, dispose: () => {} };
    const token = ++this.#lastToken;
    const subscription = this.#connection.onProgress(progressType, token, (value) => {
      const checked = ProgressValue.safeParse(value);
      if (checked.success) listener(checked.data);
    });
    return { params: { progressToken: token }, dispose: () => subscription.dispose() };
  }

  #notify(name: string, params: object): void {
    if (!this.#closed) void this.#connection.sendNotification(name, params);
  }
}
