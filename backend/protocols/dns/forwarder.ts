import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decodeResponse, type Question } from './message.ts';

export interface ForwarderOptions {
  /** the name server to ask, dotted */
  upstream: string;
  /** 53 by default */
  port?: number;
  /** whether this client's questions are asked on; called in the packet path */
  mayAsk: (client: string) => boolean;
  /** ms until a question by UDP is asked again, and once more until it is given up */
  tryMs?: number;
}

/** Questions under way, of one client and of all: each holds a socket of ours. */
const MOST_PER_CLIENT = 32;
const MOST_TOGETHER = 256;
const TRIES = 2;
const TRY_MS = 2_000;

/**
 * Asks another name server what a client asks. Each question gets a random id and a port of its own, and only an answer
 * from that server with that id and that question counts (RFC 5452 §9).
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #asking = new Map<string, number>();
  #together = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  mayAsk(client: string): boolean {
    return this.#options.mayAsk(client);
  }

  /** The other server's message, with the id of `query`; undefined when none comes, or too many are asked for. */
  async ask(
    query: Buffer,
    question: Question,
    client: string,
    transport: 'udp' | 'tcp',
  ): Promise<Buffer | undefined> {
    const own = this.#asking.get(client) ?? 0;
    if (own >= MOST_PER_CLIENT || this.#together >= MOST_TOGETHER) return undefined;
    this.#asking.set(client, own + 1);
    this.#together += 1;
    try {
      const id = randomInt(0x10000);
      const asked = withId(query, id);
      const isAnswer = (message: Buffer): boolean => decodeResponse(message, id, question) !== undefined;
      const found = await this[transport](asked, isAnswer);
      return found && withId(found, query.readUInt16BE(0));
    } finally {
      this.#together -= 1;
      const left = (this.#asking.get(client) ?? 1) - 1;
      if (left > 0) this.#asking.set(client, left);
      else this.#asking.delete(client);
    }
  }

  private udp(query: Buffer, isAnswer: (message: Buffer) => boolean): Promise<Buffer | undefined> {
    const { upstream, port = 53, tryMs = TRY_MS } = this.#options;
    return new Promise((resolve) => {
      const socket = createSocket('udp4');
      let tries = 0;
      let isOver = false;
      const settle = (answer?: Buffer): void => {
        if (isOver) return;
        isOver = true;
        clearInterval(timer);
        socket.close();
        resolve(answer);
      };
      const ask = (): void => {
        if (tries++ === TRIES) settle();
        else socket.send(query);
      };
      const timer = setInterval(ask, tryMs);
      // A connected socket takes packets of its peer alone.
      socket.on('error', () => settle());
      socket.on('message', (message) => isAnswer(message) && settle(message));
      socket.connect(port, upstream, ask);
    });
  }

  private tcp(query: Buffer, isAnswer: (message: Buffer) => boolean): Promise<Buffer | undefined> {
    const { upstream, port = 53, tryMs = TRY_MS } = this.#options;
    return new Promise((resolve) => {
      const socket = connect(port, upstream);
      let heard = Buffer.alloc(0);
      const settle = (answer?: Buffer): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(answer);
      };
      const timer = setTimeout(settle, tryMs * TRIES);
      socket.on('error', () => settle());
      socket.on('end', () => settle());
      socket.on('data', (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        if (heard.length < 2 || heard.length < 2 + heard.readUInt16BE(0)) return;
        const message = heard.subarray(2, 2 + heard.readUInt16BE(0));
        settle(isAnswer(message) ? message : undefined);
      });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
  }
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
