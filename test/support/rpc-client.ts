import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** Builds XDR for tests. */
export class Xdr {
  #parts: Buffer[] = [];

  u32(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(4);
      part.writeUInt32BE(value >>> 0);
      this.#parts.push(part);
    }
    return this;
  }
  u64(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64BE(value);
    this.#parts.push(part);
    return this;
  }
  opaque(value: string | Uint8Array): this {
    const bytes = Buffer.from(value);
    this.u32(bytes.length);
    this.#parts.push(bytes, Buffer.alloc(-bytes.length & 3));
    return this;
  }
  append(other: Xdr): this {
    this.#parts.push(other.bytes());
    return this;
  }
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
export const xdr = (): Xdr => new Xdr();

/** Reads XDR in tests; a read past the end throws. */
export class Reply {
  readonly bytes: Buffer;
  at = 0;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }
  u64(): bigint {
    this.at += 8;
    return this.bytes.readBigUInt64BE(this.at - 8);
  }
  opaque(): Buffer {
    const length = this.u32();
    const value = this.bytes.subarray(this.at, this.at + length);
    if (value.length !== length) throw new RangeError('opaque is cut off');
    const pad = this.bytes.subarray(this.at + length, this.at + length + (-length & 3));
    if (pad.some((byte) => byte !== 0)) throw new Error('padding is not zero');
    this.at += length + (-length & 3);
    return value;
  }
  skip(length: number): this {
    this.at += length;
    return this;
  }
  get left(): number {
    return this.bytes.length - this.at;
  }
}

export interface Credential {
  uid: number;
  gid: number;
  groups?: number[];
}
export const ROOT: Credential = { uid: 0, gid: 0 };

let nextXid = 1000;
/** An RPC call without a record mark. */
export function rpcCall(
  program: number,
  version: number,
  procedure: number,
  args: Uint8Array = new Uint8Array(0),
  credential: Credential | undefined = ROOT,
): Buffer {
  const head = xdr().u32(nextXid++, 0, 2, program, version, procedure);
  if (credential) {
    const { uid, gid, groups = [] } = credential;
    const body = xdr()
      .u32(7)
      .opaque('tests')
      .u32(uid, gid, groups.length, ...groups)
      .bytes();
    head.u32(1).opaque(body);
  } else head.u32(0, 0);
  return Buffer.concat([head.u32(0, 0).bytes(), args]);
}
export const nfs = (procedure: number, args?: Uint8Array, credential?: Credential): Buffer =>
  rpcCall(100003, 3, procedure, args, credential);
export const mount = (procedure: number, args?: Uint8Array): Buffer => rpcCall(100005, 3, procedure, args);
export const portmap = (procedure: number, args?: Uint8Array, version = 2): Buffer =>
  rpcCall(100000, version, procedure, args, undefined);

/** Checks the head of an accepted reply to `call` and gives what follows accept_stat. */
export function accepted(call: Buffer, reply: Buffer): { status: number; results: Reply } {
  const results = new Reply(reply);
  if (results.u32() !== call.readUInt32BE(0)) throw new Error('another xid');
  if (results.u32() !== 1 || results.u32() !== 0) throw new Error('not an accepted reply');
  if (results.u32() !== 0 || results.opaque().length !== 0) throw new Error('odd verifier');
  return { status: results.u32(), results };
}

/** With the record mark of a last fragment before it. */
export function record(message: Buffer): Buffer {
  return Buffer.concat([
    xdr()
      .u32(0x8000_0000 + message.length)
      .bytes(),
    message,
  ]);
}

/** One TCP connection; replies are handed out in the order of arrival. */
export class RpcTcpClient {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #length = 0;
  /** bytes needed before there is something to do */
  #wanted = 4;
  #records: Buffer[] = [];
  #waiting: { resolve: (record: Buffer) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('connection closed'));
    });
  }

  static async open(
    port: number,
    localAddress = '127.0.0.1',
    localPort?: number,
    host = '127.0.0.1',
  ): Promise<RpcTcpClient> {
    const socket = connect({ port, host, localAddress, localPort });
    await once(socket, 'connect');
    return new RpcTcpClient(socket);
  }

  async ask(message: Buffer): Promise<{ status: number; results: Reply }> {
    this.socket.write(record(message));
    return accepted(message, await this.next());
  }

  /** The next record that arrives. */
  next(): Promise<Buffer> {
    const first = this.#records.shift();
    if (first) return Promise.resolve(first);
    if (this.socket.destroyed) return Promise.reject(new Error('connection closed'));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#wanted) {
      const received = Buffer.concat(this.#chunks);
      const end = received.length < 4 ? 4 : 4 + (received.readUInt32BE(0) & 0x7fff_ffff);
      this.#chunks = [received];
      this.#wanted = end;
      if (received.length < end) return;
      this.#chunks = [received.subarray(end)];
      this.#length -= end;
      this.#wanted = 4;
      this.#deliver(received.subarray(4, end));
    }
  }

  #deliver(whole: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(whole);
    else this.#records.push(whole);
  }
}

/** Sends a datagram from an own port, again each second as RPC clients do, until there is an answer. */
export async function askUdp(port: number, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  const send = (): void => socket.send(message, port, '127.0.0.1');
  const again = setInterval(send, 1000);
  try {
    send();
    const [answer] = (await once(socket, 'message')) as [Buffer];
    return answer;
  } finally {
    clearInterval(again);
    socket.close();
  }
}
