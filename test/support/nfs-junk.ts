import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { record, xdr } from './rpc-client.ts';

export const INTERESTING = [
  0, 1, 4, 20, 64, 65, 255, 1024, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff,
];

/** Where arguments begin behind the head and our AUTH_SYS credential. */
const ARGUMENTS = 68;

/** A call with some of it changed: bytes, words, its length; or plain junk. */
export function mutate(source: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(source);
  for (let change = random(4); change >= 0; change--) {
    const kind = random(5);
    // The head stays right most of the time, or nothing but the head would be tested.
    const from = random(200) === 0 ? 0 : Math.min(ARGUMENTS, bytes.length - 4);
    if (kind < 2) bytes[from + random(bytes.length - from)] = random(256);
    else if (kind < 4) {
      const word = from + 4 * random(Math.floor((bytes.length - from) / 4));
      bytes.writeUInt32BE(INTERESTING[random(INTERESTING.length)] ?? 0, word);
    } else if (random(40) === 0) return bytes.subarray(0, random(bytes.length));
  }
  return random(1000) === 0 ? Buffer.from(Array.from({ length: random(300) }, () => random(256))) : bytes;
}

/** Sends batches of records and waits until the server has worked each off, or has closed the connection on it. */
export class JunkSender {
  connections = 0;
  finished = 0;
  #socket: Socket | undefined;
  #xid = 0;
  #tail = Buffer.alloc(0);
  #settle: () => void = () => {};

  /** `cut`: the stream is not made of records any more, so it ends here. */
  async send(bytes: Buffer, cut: boolean): Promise<void> {
    const socket = await this.#connected();
    const last = xdr().u32(0, 0, 2, 100003, 3, 0, 0, 0, 0, 0).bytes();
    last.writeUInt32BE(0x7000_0000 + ++this.#xid, 0);
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      if (cut) socket.end(bytes);
      else socket.write(Buffer.concat([bytes, record(last)]));
    });
  }

  async #connected(): Promise<Socket> {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    this.connections++;
    const socket = connect(2049, '127.0.0.1');
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => this.#settle());
    socket.on('data', (chunk) => this.#onData(chunk));
    await once(socket, 'connect');
    return socket;
  }

  /** A batch is done when the answer to its last call, a NULL, has come; others may come behind it. */
  #onData(chunk: Buffer): void {
    const wanted = Buffer.alloc(4);
    wanted.writeUInt32BE(0x7000_0000 + this.#xid);
    const known = Buffer.concat([this.#tail, chunk]);
    this.#tail = known.subarray(-3);
    if (!known.includes(wanted)) return;
    this.finished++;
    this.#settle();
  }
  close(): void {
    this.#socket?.destroy();
  }
}
