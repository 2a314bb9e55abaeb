import { below, NameWriter, readName, skipName } from './names.ts';
import type { Name } from './names.ts';

/** Response codes (RFC 1035 §4.1.1, RFC 6891 §9). */
export const Rcode = { ok: 0, format: 1, failure: 2, noName: 3, notImplemented: 4, refused: 5, version: 16 };
/** Types of records and questions (RFC 1035 §3.2.2, RFC 3596, RFC 6891). */
export const Type = { a: 1, ns: 2, soa: 6, ptr: 12, aaaa: 28, opt: 41, axfr: 252, any: 255 } as const;
export const CLASS_IN = 1;

const HEADER_BYTES = 12;
/** RFC 1035 §4.2.1: what a client without EDNS takes */
const PLAIN_UDP_BYTES = 512;
/** What fits into a packet on any path; also what is told to clients (RFC 9715 §3). */
const MOST_UDP_BYTES = 1232;
const DNSSEC_OK = 0x8000;

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
}

/** What the OPT record of a query says (RFC 6891 §6.1). */
export interface Edns {
  /** bytes that the client takes by UDP */
  readonly udpBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** A query as far as it could be read: without a problem (a code of {@link Rcode}) it has a question. */
export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly edns?: Edns;
  readonly question?: Question;
  readonly problem?: number;
}

export type RecordData =
  | { readonly type: typeof Type.a; readonly address: string }
  | { readonly type: typeof Type.ns | typeof Type.ptr; readonly target: Name }
  | { readonly type: typeof Type.soa; readonly server: Name; readonly mailbox: Name };

export interface ResourceRecord {
  readonly name: Name;
  /** seconds */
  readonly ttl: number;
  readonly data: RecordData;
}

export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
}

/** Undefined: no query at all (too short, or itself a response), which must get no answer. Never throws. */
export function decodeQuery(packet: Buffer): Query | undefined {
  if (packet.length < HEADER_BYTES) return undefined;
  const flags = packet.readUInt16BE(2);
  if (flags & 0x8000) return undefined;
  const opcode = (flags >> 11) & 15;
  const head = { id: packet.readUInt16BE(0), opcode, recursionDesired: (flags & 0x0100) !== 0 };
  if (opcode !== 0) return { ...head, problem: Rcode.notImplemented };
  const question = packet.readUInt16BE(4) === 1 ? readQuestion(packet) : undefined;
  const edns = question && findEdns(packet, question.end);
  if (!question || edns === 'malformed') return { ...head, problem: Rcode.format };
  const problem = edns && edns.version > 0 ? Rcode.version : undefined;
  return { ...head, edns, question: question.question, problem };
}

function readQuestion(packet: Buffer): { question: Question; end: number } | undefined {
  const read = readName(packet, HEADER_BYTES);
  if (!read || read.end + 4 > packet.length) return undefined;
  const { name, end } = read;
  const question = { name, type: packet.readUInt16BE(end), class: packet.readUInt16BE(end + 2) };
  return { question, end: end + 4 };
}

/**
 * Where the question of a response ends, if it is one with this id to this question; undefined otherwise. Letters of the
 * name may have changed their case.
 */
export function decodeResponse(packet: Buffer, id: number, asked: Question): number | undefined {
  if (packet.length < HEADER_BYTES || packet.readUInt16BE(0) !== id) return undefined;
  const flags = packet.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || ((flags >> 11) & 15) !== 0 || packet.readUInt16BE(4) !== 1) return undefined;
  const read = readQuestion(packet);
  if (read === undefined) return undefined;
  const { name, type, class: kind } = read.question;
  const isSame =
    below(
      name,
      asked.name.map((label) => label.toLowerCase()),
    )?.length === 0;
  return isSame && type === asked.type && kind === asked.class ? read.end : undefined;
}

/** A response that another server has made, cut down to its question when it is longer than `limit` (RFC 2181 §9). */
export function fitResponse(response: Buffer, limit: number, { id, question }: Query): Buffer {
  if (response.length <= limit) return response;
  const end = question && decodeResponse(response, id, question);
  const cut = Buffer.from(response.subarray(0, end ?? HEADER_BYTES));
  cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
  cut.fill(0, end === undefined ? 4 : 6, HEADER_BYTES);
  return cut;
}

/** Walks over the records behind the question; there is one OPT record at most (RFC 6891 §6.1.1). */
function findEdns(packet: Buffer, from: number): Edns | undefined | 'malformed' {
  const count = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10);
  let edns: Edns | undefined;
  let at = from;
  for (let i = 0; i < count; i++) {
    const fixed = skipName(packet, at);
    if (fixed === undefined || fixed + 10 > packet.length) return 'malformed';
    const next = fixed + 10 + packet.readUInt16BE(fixed + 8);
    if (next > packet.length) return 'malformed';
    if (packet.readUInt16BE(fixed) === Type.opt) {
      if (edns || fixed !== at + 1) return 'malformed';
      edns = {
        udpBytes: packet.readUInt16BE(fixed + 2),
        version: packet.readUInt8(fixed + 5),
        dnssecOk: (packet.readUInt16BE(fixed + 6) & DNSSEC_OK) !== 0,
      };
    }
    at = next;
  }
  return edns;
}

/** Most bytes that the answer to a query may have by UDP. */
export function udpLimit({ edns }: Query): number {
  if (!edns) return PLAIN_UDP_BYTES;
  return Math.min(Math.max(edns.udpBytes, PLAIN_UDP_BYTES), MOST_UDP_BYTES);
}

/** The message of a reply. When it would be longer than `limit`, one without records that says so (RFC 2181 §9). */
export function encodeReply(query: Query, reply: Reply, limit: number): Buffer {
  const whole = encode(query, reply, false);
  return whole.length <= limit ? whole : encode(query, { ...reply, answers: [], authority: [] }, true);
}

function encode(query: Query, reply: Reply, isTruncated: boolean): Buffer {
  const { question } = query;
  const { answers, authority } = reply;
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (reply.authoritative ? 0x0400 : 0) |
    (isTruncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    (reply.rcode & 15);
  const counts = [question ? 1 : 0, answers.length, authority.length, query.edns ? 1 : 0];
  const names = new NameWriter();
  const parts = [words(query.id, flags, ...counts)];
  let at = HEADER_BYTES;
  const put = (part: Buffer): void => {
    parts.push(part);
    at += part.length;
  };
  if (question) {
    put(names.write(question.name, at));
    put(words(question.type, question.class));
  }
  for (const { name, ttl, data } of [...answers, ...authority]) {
    put(names.write(name, at));
    const body = encodeData(data, names, at + 10, ttl);
    put(words(data.type, CLASS_IN, ttl >>> 16, ttl & 0xffff, body.length));
    put(body);
  }
  if (query.edns) put(encodeOpt(reply.rcode, query.edns));
  return Buffer.concat(parts);
}

function encodeData(data: RecordData, names: NameWriter, at: number, ttl: number): Buffer {
  switch (data.type) {
    case Type.a:
      return Buffer.from(data.address.split('.').map(Number));
    case Type.ns:
    case Type.ptr:
      return names.write(data.target, at);
    case Type.soa: {
      const server = names.write(data.server, at);
      const mailbox = names.write(data.mailbox, at + server.length);
      // Serial, refresh, retry, expire: for secondaries, of which there are none. The last is the TTL of "no such name".
      const numbers = [1, 3600, 600, 86_400, ttl].flatMap((value) => [value >>> 16, value & 0xffff]);
      return Buffer.concat([server, mailbox, words(...numbers)]);
    }
  }
}

/** Root name, type, our UDP size, upper bits of the code, version 0, flags, no options (RFC 6891 §6.1.2). */
function encodeOpt(rcode: number, { dnssecOk }: Edns): Buffer {
  const flags = dnssecOk ? DNSSEC_OK : 0;
  return Buffer.concat([Buffer.from([0]), words(Type.opt, MOST_UDP_BYTES, (rcode >> 4) << 8, flags, 0)]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, i * 2);
  return bytes;
}
