import type { RemoteInfo, Socket } from 'node:dgram';
import { bindUdp, portError } from '../bind.ts';
import { messageOf } from '../../errors.ts';
import type { Publish, TransferEvent } from '../../events/bus.ts';
import { EventShares } from '../event-shares.ts';
import { originOf, type FileSource } from '../file-source.ts';
import { negotiate } from './negotiate.ts';
import type { Negotiated } from './negotiate.ts';
import { netasciiSource } from './netascii.ts';
import { decode, encodeError, ErrorCode, printable } from './packets.ts';
import type { TftpRequest } from './packets.ts';
import { requestedPath } from './path.ts';
import { Session } from './session.ts';
import { TransferSocket } from './socket.ts';
import type { TransferEnd } from './transfer.ts';

/** Why a client does not get a file. */
export interface TftpRefusal {
  /** `missing` is ERROR 1, `denied` ERROR 2, `failed` ERROR 0 */
  readonly refused: 'missing' | 'denied' | 'failed';
  /** one clause, for the client's screen and the event; ASCII */
  readonly cause: string;
}

/**
 * The file that `path` is to the client at address `client`. `path` is absolute and has no `.` or `..`; it is the only
 * guard against names, so look it up inside the client's own tree.
 */
export type TftpResolve = (
  client: string,
  path: string,
) => FileSource | TftpRefusal | Promise<FileSource | TftpRefusal>;

export interface TftpLimits {
  /** transfers at a time */
  transfers: number;
  perClient: number;
  /** most bytes that are sent without an ACK */
  windowBytes: number;
  /** ms without progress */
  giveUpMs: number;
  /** largest file that is converted to netascii */
  netasciiBytes: number;
}

export interface TftpServerOptions {
  /** dotted; answers come from this address */
  address: string;
  port?: number;
  resolve: TftpResolve;
  publish: Publish;
  limits?: Partial<TftpLimits>;
}

const defaultLimits: TftpLimits = {
  transfers: 256,
  perClient: 16,
  windowBytes: 1 << 20,
  giveUpMs: 30_000,
  netasciiBytes: 8 << 20,
};
const errorCodes = { missing: ErrorCode.notFound, denied: ErrorCode.denied, failed: ErrorCode.other };

/** A request that was let in; `session` is there once its file is. */
interface Running {
  readonly client: string;
  readonly port: number;
  readonly file: string;
  readonly path: string;
  readonly isListed: boolean;
  readonly startedAt: number;
  session?: Session;
  isDropped: boolean;
}

/** A read-only TFTP server (RFC 1350, 2347, 2348, 2349, 7440). Each transfer has a port of its own. */
export class TftpServer {
  readonly #options: TftpServerOptions;
  readonly #limits: TftpLimits;
  readonly #shares = new EventShares();
  /** by the client's address and port */
  readonly #running = new Map<string, Running>();
  readonly #perClient = new Map<string, number>();
  #socket: Socket | undefined;

  constructor(options: TftpServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /** Throws `tftp.port` when the port cannot be had. */
  async start(): Promise<void> {
    const { address, port = 69 } = this.#options;
    const socket = await bindUdp(address, port).catch((error: unknown) => {
      throw portError(error, { name: 'TFTP', transport: 'UDP', address, port });
    });
    socket.on('message', (packet, from) => this.#receive(packet, from));
    socket.on('error', () => {
      // Errors of single packets (an unreachable client) concern no other client.
    });
    this.#socket = socket;
  }

  /** Ends all transfers and tells their clients. */
  async close(): Promise<void> {
    for (const running of this.#running.values()) this.#stop(running, 'the server stops');
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  /** Ends the transfers of a client that is gone. */
  dropClient(client: string): void {
    for (const running of this.#running.values()) {
      if (running.client === client) this.#stop(running, 'the node was switched off');
    }
  }

  /** transfers that run now */
  get transfers(): number {
    return this.#running.size;
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    // Nobody can answer to port 0, and the attempt throws.
    if (from.port === 0) return;
    const message = decode(packet);
    switch (message?.op) {
      case 'read':
        return this.#onRead(message, from);
      case 'write':
        return this.#refuse(from, message.file, ErrorCode.denied, 'this server takes no files');
      case 'data':
      case 'ack':
        return this.#sendError(from, ErrorCode.unknownTransfer, 'Unknown transfer ID');
      case 'error':
      case 'oack':
        return undefined;
      default:
        return this.#refuse(from, '', ErrorCode.illegal, 'the packet is not a TFTP request');
    }
  }

  #onRead(request: TftpRequest, from: RemoteInfo): void {
    const key = `${from.address}:${from.port}`;
    const earlier = this.#running.get(key);
    if (earlier) {
      // The client asks again because it has seen no answer yet; the transfer's own timer sees to that.
      if (earlier.file === request.file && (earlier.session?.bytes ?? 0) === 0) return;
      this.#stop(earlier, 'the client began another transfer from the same port');
    }
    if (request.mode !== 'octet' && request.mode !== 'netascii') {
      return this.#refuse(
        from,
        request.file,
        ErrorCode.illegal,
        `mode ${printable(request.mode)} is not served`,
      );
    }
    const path = requestedPath(request.file);
    if (path === undefined)
      return this.#refuse(from, request.file, ErrorCode.notFound, 'the name is not a file name');
    const mine = this.#perClient.get(from.address) ?? 0;
    if (mine >= this.#limits.perClient || this.#running.size >= this.#limits.transfers) {
      return this.#refuse(from, path, ErrorCode.other, 'too many transfers at a time');
    }
    const running: Running = {
      client: from.address,
      port: from.port,
      file: request.file,
      path,
      isListed: this.#admit(from.address),
      startedAt: performance.now(),
      isDropped: false,
    };
    this.#running.set(key, running);
    this.#perClient.set(from.address, mine + 1);
    void this.#serve(request, running);
  }

  /** Finds the file and starts the session; never rejects. */
  async #serve(request: TftpRequest, running: Running): Promise<void> {
    try {
      const found = await this.#options.resolve(running.client, running.path);
      if ('refused' in found) return this.#fail(running, errorCodes[found.refused], found.cause);
      const source = request.mode === 'netascii' ? netasciiSource(found, this.#limits.netasciiBytes) : found;
      if (!source)
        return this.#fail(running, ErrorCode.other, 'the file is too large for netascii: use octet');
      const negotiated = negotiate(request.options, source.size, this.#limits.windowBytes);
      const client = { address: running.client, port: running.port };
      const socket = await TransferSocket.open(this.#options.address, client);
      if (running.isDropped) socket.close();
      else this.#begin(running, socket, source, negotiated);
    } catch (error) {
      this.#fail(running, ErrorCode.other, messageOf(error));
    }
  }

  #begin(running: Running, socket: TransferSocket, source: FileSource, negotiated: Negotiated): void {
    const session = new Session(socket, source, negotiated, this.#limits.giveUpMs, (end) =>
      this.#onEnd(running, session, end),
    );
    running.session = session;
    this.#publish(running, {
      phase: 'start',
      path: running.path,
      bytes: source.size,
      ...originOf(source),
    });
    session.start();
  }

  #onEnd(running: Running, session: Session, end: TransferEnd): void {
    this.#forget(running);
    this.#publish(running, {
      phase: 'end',
      path: running.path,
      bytes: session.bytes,
      durationMs: performance.now() - running.startedAt,
      resent: session.resent,
      cause: end.cause,
    });
  }

  #stop(running: Running, cause: string): void {
    if (running.session) return running.session.abort(cause);
    this.#forget(running);
  }

  #forget(running: Running): void {
    if (running.isDropped) return;
    running.isDropped = true;
    this.#running.delete(`${running.client}:${running.port}`);
    const left = (this.#perClient.get(running.client) ?? 1) - 1;
    if (left > 0) this.#perClient.set(running.client, left);
    else this.#perClient.delete(running.client);
  }

  /** A request that was let in and cannot be served. */
  #fail(running: Running, code: number, cause: string): void {
    if (running.isDropped) return;
    this.#forget(running);
    this.#sendError({ address: running.client, port: running.port }, code, cause);
    this.#publish(running, { phase: 'refused', path: running.path, bytes: 0, cause });
  }

  /** A request that is not let in. */
  #refuse(from: RemoteInfo, path: string, code: number, cause: string): void {
    this.#sendError(from, code, cause);
    if (!this.#admit(from.address)) return;
    const event: TransferEvent = { phase: 'refused', path: printable(path), bytes: 0, cause };
    this.#options.publish({ kind: 'tftp', client: from.address, ...event });
  }

  #sendError(to: { address: string; port: number }, code: number, message: string): void {
    this.#socket?.send(encodeError(code, message), to.port, to.address);
  }

  #publish(running: Running, event: TransferEvent): void {
    if (running.isListed) this.#options.publish({ kind: 'tftp', client: running.client, ...event });
  }

  /** A flood of requests must not become a flood of events: what was withheld is told as a number. */
  #admit(client: string): boolean {
    const withheld = this.#shares.admit(client, performance.now());
    if (withheld === undefined) return false;
    if (withheld > 0) {
      const cause = `${withheld} more requests of this client were not listed`;
      this.#options.publish({ kind: 'tftp', client, phase: 'refused', path: '', bytes: 0, cause });
    }
    return true;
  }
}
