import type { ByteQueue } from './byte-queue.ts';
import {
  Handshake as Flag,
  Info,
  INIT_MAGIC,
  MOST_DATA,
  Option,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReply,
  Transmission,
} from './constants.ts';
import type { NbdExport } from './export.ts';

const OPTION_HEAD = 16;
/** Longest name that the protocol allows. */
const LONGEST_NAME = 4096;
/** Bytes of an option's data: a name, and more information requests than there are kinds of. */
const LONGEST_OPTION = LONGEST_NAME + 4 + 2 + 2 * 256;
/** An honest client needs a handful. */
const MOST_OPTIONS = 64;
const RESERVED = 124;
const PREFERRED_BLOCK = 4096;

/** The option haggling came to its end with an export. */
export interface Chosen {
  export: NbdExport;
  structured: boolean;
  /** what the client must be sent once the export is open */
  welcome: Buffer;
  /** what it must be sent when it cannot be opened; undefined where the protocol knows no such answer */
  refusal: Buffer | undefined;
}

/** `more`: the next bytes are needed. `close`: what was sent is the last; why, unless the client wished so. */
export type Step = 'more' | 'next' | { close: string | undefined } | Chosen;

/** The server's first 18 bytes. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(INIT_MAGIC, 0);
  bytes.writeBigUInt64BE(OPTION_MAGIC, 8);
  bytes.writeUInt16BE(Flag.fixedNewstyle | Flag.noZeroes, 16);
  return bytes;
}

/** The handshake of one connection: fixed newstyle negotiation. */
export class Handshake {
  /** The last name that was asked for and is not served. */
  unknownName: string | undefined;
  readonly #exports: readonly NbdExport[];
  readonly #send: (bytes: Buffer) => void;
  #clientFlags: number | undefined;
  #option: { option: number; length: number } | undefined;
  #options = 0;
  #structured = false;

  constructor(exports: readonly NbdExport[], send: (bytes: Buffer) => void) {
    this.#exports = exports;
    this.#send = send;
  }

  /** Works off the next thing that the client sent, if it is there whole. */
  step(queue: ByteQueue): Step {
    if (this.#clientFlags === undefined) return this.#takeFlags(queue);
    if (!this.#option) return this.#takeOptionHead(queue);
    const { option, length } = this.#option;
    if (queue.length < length) return 'more';
    this.#option = undefined;
    return this.#answer(option, queue.take(length));
  }

  #takeFlags(queue: ByteQueue): Step {
    if (queue.length < 4) return 'more';
    this.#clientFlags = queue.take(4).readUInt32BE(0);
    const isKnown = (this.#clientFlags & ~(Flag.fixedNewstyle | Flag.noZeroes)) === 0;
    return isKnown ? 'next' : { close: 'unknown client flags' };
  }

  #takeOptionHead(queue: ByteQueue): Step {
    if (queue.length < OPTION_HEAD) return 'more';
    const head = queue.take(OPTION_HEAD);
    if (head.readBigUInt64BE(0) !== OPTION_MAGIC) return { close: 'not an NBD option' };
    if (++this.#options > MOST_OPTIONS) return { close: 'too many options' };
    this.#option = { option: head.readUInt32BE(8), length: head.readUInt32BE(12) };
    if (this.#option.length <= LONGEST_OPTION) return 'next';
    if (this.#option.option !== Option.exportName) this.#reply(this.#option.option, OptionReply.tooBig);
    return { close: 'an option is too long' };
  }

  #answer(option: number, data: Buffer): Step {
    switch (option) {
      case Option.exportName:
        return this.#exportName(data);
      case Option.abort:
        this.#reply(option, OptionReply.ack);
        return { close: undefined };
      case Option.list:
        return this.#list(data);
      case Option.info:
      case Option.go:
        return this.#infoOrGo(option, data);
      case Option.structuredReply:
        if (data.length > 0) return this.#refuse(option, OptionReply.invalid);
        this.#structured = true;
        this.#reply(option, OptionReply.ack);
        return 'next';
      default:
        return this.#refuse(option, OptionReply.unsupported);
    }
  }

  #exportName(data: Buffer): Step {
    const found = this.#find(data.toString('utf8'));
    if (!found) return { close: undefined };
    const withReserved = ((this.#clientFlags ?? 0) & Flag.noZeroes) === 0;
    const welcome = Buffer.alloc(10 + (withReserved ? RESERVED : 0));
    welcome.writeBigUInt64BE(BigInt(found.size), 0);
    welcome.writeUInt16BE(transmissionFlags(found, this.#structured), 8);
    return { export: found, structured: this.#structured, welcome, refusal: undefined };
  }

  #list(data: Buffer): Step {
    if (data.length > 0) return this.#refuse(Option.list, OptionReply.invalid);
    for (const { name, description } of this.#exports) {
      const text = Buffer.from(name);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      this.#reply(Option.list, OptionReply.server, length, text, Buffer.from(description));
    }
    this.#reply(Option.list, OptionReply.ack);
    return 'next';
  }

  /** Data: 32 bits length of the name, the name, 16 bits number of requests, 16 bits each. */
  #infoOrGo(option: number, data: Buffer): Step {
    const nameLength = data.length < 6 ? -1 : data.readUInt32BE(0);
    if (nameLength < 0 || nameLength > Math.min(LONGEST_NAME, data.length - 6)) {
      return this.#refuse(option, OptionReply.invalid);
    }
    const requests = data.subarray(6 + nameLength);
    if (requests.length !== 2 * data.readUInt16BE(4 + nameLength)) {
      return this.#refuse(option, OptionReply.invalid);
    }
    const found = this.#find(data.toString('utf8', 4, 4 + nameLength));
    if (!found) return this.#refuse(option, OptionReply.unknown);
    const asked = new Set<number>();
    for (let at = 0; at < requests.length; at += 2) asked.add(requests.readUInt16BE(at));
    this.#inform(option, found, asked);
    const ack = optionReply(option, OptionReply.ack);
    if (option === Option.info) {
      this.#send(ack);
      return 'next';
    }
    const refusal = optionReply(option, OptionReply.unknown);
    return { export: found, structured: this.#structured, welcome: ack, refusal };
  }

  #inform(option: number, found: NbdExport, asked: ReadonlySet<number>): void {
    const basics = infoBytes(Info.export, 10);
    basics.writeBigUInt64BE(BigInt(found.size), 2);
    basics.writeUInt16BE(transmissionFlags(found, this.#structured), 10);
    this.#reply(option, OptionReply.info, basics);
    // Any alignment will do, so even a client that did not ask may be told.
    const blocks = infoBytes(Info.blockSize, 12);
    [1, PREFERRED_BLOCK, MOST_DATA].forEach((size, index) => blocks.writeUInt32BE(size, 2 + 4 * index));
    this.#reply(option, OptionReply.info, blocks);
    const texts = [
      [Info.name, found.name],
      [Info.description, found.description],
    ] as const;
    for (const [type, text] of texts) {
      if (asked.has(type)) this.#reply(option, OptionReply.info, infoBytes(type, 0), Buffer.from(text));
    }
  }

  /** Without a name: the default. */
  #find(name: string): NbdExport | undefined {
    const found = name === '' ? this.#exports[0] : this.#exports.find((known) => known.name === name);
    this.unknownName = found ? undefined : name;
    return found;
  }

  #refuse(option: number, type: number): Step {
    this.#reply(option, type);
    return 'next';
  }
  #reply(option: number, type: number, ...data: Buffer[]): void {
    this.#send(optionReply(option, type, ...data));
  }
}

function infoBytes(type: number, more: number): Buffer {
  const bytes = Buffer.alloc(2 + more);
  bytes.writeUInt16BE(type);
  return bytes;
}

function optionReply(option: number, type: number, ...data: Buffer[]): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(
    data.reduce((sum, { length }) => sum + length, 0),
    16,
  );
  return Buffer.concat([head, ...data]);
}

function transmissionFlags(found: NbdExport, isStructured: boolean): number {
  const { hasFlags, readOnly, canMultiConn, sendDf } = Transmission;
  const { sendFlush, sendFua, sendTrim, sendWriteZeroes, sendFastZero } = Transmission;
  const writing = sendTrim | sendWriteZeroes | sendFastZero;
  return (
    hasFlags |
    sendFlush |
    sendFua |
    (found.readOnly ? readOnly : writing) |
    (found.shared ? canMultiConn : 0) |
    (isStructured ? sendDf : 0)
  );
}
