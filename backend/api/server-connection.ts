import type { Socket } from 'node:net';
import { type CancellationToken, type MessageConnection, ProgressType } from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { BootyardError, messageOf } from '../errors.ts';
import type { ChangeFeed, Subscription } from './change-feed.ts';
import {
  type CallContext,
  type Handlers,
  methods,
  type MethodName,
  type Progress,
  type Result,
} from './contract.ts';
import { PROTOCOL } from './lab.ts';
import { cancelled, firstIssue, toResponseError } from './rpc-error.ts';
import { ServerStream } from './server-stream.ts';
import { streamNotifications } from './stream.ts';
import { connectionOver } from './transport.ts';

/** What the daemon implements; the handshake and the change feed are the server's own. */
export type ServedHandlers = Omit<Handlers, 'lab.handshake' | 'change.subscribe'>;
export type Snapshot = Omit<Result<'change.subscribe'>, 'seq'>;

export interface ServerParts {
  handlers: ServedHandlers;
  /** the whole state that views follow */
  snapshot(): Snapshot | Promise<Snapshot>;
  version: string;
  log(line: string): void;
}

const MAX_CALLS = 10_000;
const MAX_STREAMS = 1_000;
/** Rides in a call's parameters when its caller wants to hear of progress. */
const ProgressToken = z.object({ progressToken: z.number() });
const progressType = new ProgressType<Progress>();
type AnyHandler = (params: unknown, context: CallContext) => unknown;

/** One client: its calls, its streams and its subscription, all of which end with its socket. */
export class ServerConnection {
  readonly #socket: Socket;
  readonly #connection: MessageConnection;
  readonly #parts: ServerParts;
  readonly #feed: ChangeFeed;
  readonly #gone = new AbortController();
  readonly #streams = new Map<number, ServerStream>();
  #subscription: Subscription | undefined;
  #lastStream = 0;
  #calls = 0;
  #greeted = false;

  constructor(socket: Socket, parts: ServerParts, feed: ChangeFeed) {
    this.#socket = socket;
    this.#parts = parts;
    this.#feed = feed;
    this.#connection = connectionOver(socket, { bounded: true });
    this.#connection.onError(([error]) => {
      if (!this.#gone.signal.aborted) parts.log(`api: a client is dropped: ${messageOf(error)}`);
      socket.destroy();
    });
    socket.on('close', () => this.#close());
    socket.on('drain', () => this.#subscription?.flush());
    this.#connection.onRequest((method, params, token) => this.#answer(method, params, token));
    this.#listenToStreams();
    this.#connection.listen();
  }

  /** Sends what waits, then closes; a client that does not take it within a second is cut off. */
  async end(): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => this.#socket.destroy(), 1000);
      this.#socket.once('close', () => {
        clearTimeout(cut);
        resolve();
      });
      this.#socket.destroySoon();
    });
  }

  #close(): void {
    this.#gone.abort();
    this.#subscription?.end();
    for (const stream of this.#streams.values()) stream.close();
    this.#connection.dispose();
  }

  async #answer(method: string, params: unknown, token: CancellationToken): Promise<unknown> {
    const call = new AbortController();
    const signal = AbortSignal.any([call.signal, this.#gone.signal]);
    const cancellation = token.onCancellationRequested(() => call.abort());
    if (token.isCancellationRequested) call.abort();
    const opened: ServerStream[] = [];
    this.#calls++;
    try {
      if (this.#calls > MAX_CALLS)
        throw new BootyardError('api.busy', `More than ${MAX_CALLS} calls at once.`);
      return await this.#call(method, params, {
        signal,
        progress: this.#progressOf(params),
        openStream: () => this.#openStream(opened),
      });
    } catch (error) {
      for (const stream of opened) stream.end();
      throw toResponseError(signal.aborted ? cancelled() : this.#userError(method, error));
    } finally {
      this.#calls--;
      cancellation.dispose();
    }
  }

  async #call(method: string, params: unknown, context: CallContext): Promise<unknown> {
    if (!isMethod(method)) {
      throw new BootyardError(
        'api.method',
        `The daemon has no call '${method}': its version is ${this.#parts.version}.`,
      );
    }
    const checked = methods[method].params.safeParse(params ?? {});
    if (!checked.success) {
      throw new BootyardError('api.params', `Wrong parameters for ${method}: ${firstIssue(checked.error)}.`, {
        method,
      });
    }
    if (method === 'lab.handshake') return this.#greet(methods[method].params.parse(params));
    if (!this.#greeted)
      throw new BootyardError('api.handshake', 'The first call of a client must be lab.handshake.');
    const result = await this.#run(method, checked.data, context);
    return methods[method].result.parse(result);
  }

  async #run(
    method: Exclude<MethodName, 'lab.handshake'>,
    params: unknown,
    context: CallContext,
  ): Promise<unknown> {
    if (method === 'change.subscribe') return await this.#subscribe();
    // The type that belongs to this method was checked by its schema a moment ago.
    const handler = this.#parts.handlers[method] as AnyHandler;
    return await handler(params, context);
  }

  #greet(client: { protocol: number; version: string }): Result<'lab.handshake'> {
    const { version } = this.#parts;
    if (client.protocol !== PROTOCOL)
      throw protocolError({ client, daemon: { protocol: PROTOCOL, version } });
    this.#greeted = true;
    return { protocol: PROTOCOL, version };
  }

  /** Changes between the number and the snapshot are sent again after the answer; whole states make that harmless. */
  async #subscribe(): Promise<Result<'change.subscribe'>> {
    this.#subscription?.end();
    const socket = this.#socket;
    const subscription = this.#feed.subscribe({
      get ready() {
        return !socket.writableNeedDrain;
      },
      send: (change) => this.#notify('change', change),
    });
    this.#subscription = subscription;
    const { seq } = this.#feed;
    const snapshot = await this.#parts.snapshot();
    // After the answer: it is written in this turn of the event loop.
    setImmediate(() => subscription.flush());
    return { seq, ...snapshot };
  }

  #progressOf(params: unknown): (progress: Progress) => void {
    const asked = ProgressToken.safeParse(params);
    if (!asked.success) return () => {};
    return (progress) => {
      // A later one says more: what a slow client cannot take now is left out.
      if (this.#socket.writableNeedDrain || this.#gone.signal.aborted) return;
      void this.#connection.sendProgress(progressType, asked.data.progressToken, progress);
    };
  }

  #openStream(opened: ServerStream[]): ServerStream {
    if (this.#streams.size >= MAX_STREAMS)
      throw new BootyardError('api.busy', `More than ${MAX_STREAMS} streams at once.`);
    const id = ++this.#lastStream;
    const sender = {
      data: (stream: number, data: string) => this.#notify('stream.data', { stream, data }),
      end: (stream: number, message?: string) => this.#notify('stream.end', { stream, message }),
    };
    const stream = new ServerStream(id, sender, () => this.#streams.delete(id));
    this.#streams.set(id, stream);
    opened.push(stream);
    if (this.#gone.signal.aborted) stream.close();
    return stream;
  }

  #listenToStreams(): void {
    const on = <N extends keyof typeof streamNotifications>(
      name: N,
      act: (params: z.output<(typeof streamNotifications)[N]>) => void,
    ) => {
      this.#connection.onNotification(name, (params: unknown) => {
        const checked = streamNotifications[name].safeParse(params);
        if (checked.success) act(checked.data as z.output<(typeof streamNotifications)[N]>);
      });
    };
    on('stream.ack', ({ stream, bytes }) => this.#streams.get(stream)?.acknowledge(bytes));
    on('stream.write', ({ stream, data }) => this.#streams.get(stream)?.receive(data));
    on('stream.close', ({ stream }) => this.#streams.get(stream)?.close());
  }

  #notify(name: string, params: object): void {
    if (!this.#gone.signal.aborted) void this.#connection.sendNotification(name, params);
  }

  #userError(method: string, error: unknown): BootyardError {
    if (error instanceof BootyardError) return error;
    this.#parts.log(
      `api: ${method} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return new BootyardError(
      'api.internal',
      `Internal error in ${method}: the daemon's log has the details.`,
      { method },
    );
  }
}

function isMethod(name: string): name is MethodName {
  return Object.hasOwn(methods, name);
}

export function protocolError(ends: {
  client: { protocol: number; version: string };
  daemon: { protocol: number; version: string };
}): BootyardError {
  const sentence =
    `This Bootyard (${ends.client.version}) does not understand the daemon that runs (${ends.daemon.version}): ` +
    'run `bootyard lab stop && bootyard lab start`.';
  return new BootyardError('api.protocol', sentence, ends);
}
