import { BoundedMap, type Content, endpoint, type Endpoint } from './summary.ts';
import { callArguments, PROGRAMS, type Program } from './rpc-programs.ts';

/** ONC RPC (RFC 5531): message types, and the one version of its own. */
const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const CALL_HEADER = 24;
const REPLY_HEADER = 12;
/** no honest credential is longer (RFC 5531 §8.2) */
const MOST_CREDENTIAL = 400;
const MOST_CALLS = 4096;
const MOST_FLOWS = 512;
const MOST_RECORD = 4 << 20;
/** Records of one segment that are told. */
const MOST_TOLD = 16;

interface Call {
  protocol: string;
  name: string;
}

export interface Segment {
  data: Buffer;
  sequence: number;
  /** the first of its connection in this direction */
  isNew: boolean;
  source: Endpoint;
  target: Endpoint;
}

/**
 * Calls and replies of the programs that NFS needs. Calls are known by their content, whatever the port; a reply by the call
 * that it answers. In TCP records are followed from one segment to the next, as long as none is missing.
 */
export class RpcDecoder {
  /** by the client's end and the call's number */
  readonly #calls = new BoundedMap<Call>(MOST_CALLS);
  /** where the next record of a direction begins, in sequence numbers */
  readonly #next = new BoundedMap<number>(MOST_FLOWS);

  /** A datagram is one message. */
  datagram(data: Buffer, source: Endpoint, target: Endpoint): Content | undefined {
    return this.#message(data, source, target);
  }

  segment({ data, sequence, isNew, source, target }: Segment): Content | undefined {
    const flow = `${endpoint(source)}>${endpoint(target)}`;
    if (isNew) this.#next.delete(flow);
    if (data.length === 0) return undefined;
    const known = this.#next.get(flow);
    // Sequence numbers wrap; a record that begins in another segment than this has a large distance.
    let at = known === undefined ? 0 : (known - sequence) >>> 0;
    if (at >= data.length) return at <= MOST_RECORD ? undefined : this.#lost(flow);
    const told: Content[] = [];
    while (at + 4 + REPLY_HEADER <= data.length) {
      const length = data.readUInt32BE(at) & 0x7fffffff;
      const message = data.subarray(at + 4, at + 4 + length);
      const content = length <= MOST_RECORD ? this.#message(message, source, target) : undefined;
      if (!content) return told.length > 0 ? joined(told) : this.#lost(flow);
      if (told.length < MOST_TOLD) told.push(content);
      at += 4 + length;
      this.#next.set(flow, (sequence + at) >>> 0);
    }
    // A header that is cut by the segment's end cannot be put together here.
    if (at < data.length) this.#next.delete(flow);
    return told.length > 0 ? joined(told) : undefined;
  }

  #lost(flow: string): undefined {
    this.#next.delete(flow);
  }

  #message(data: Buffer, source: Endpoint, target: Endpoint): Content | undefined {
    if (data.length < REPLY_HEADER) return undefined;
    const number = data.readUInt32BE(0);
    const type = data.readUInt32BE(4);
    if (type === CALL) return this.#call(data, `${endpoint(source)} ${number}`);
    if (type !== REPLY) return undefined;
    const key = `${endpoint(target)} ${number}`;
    const call = this.#calls.get(key);
    if (!call) return undefined;
    this.#calls.delete(key);
    return { protocol: call.protocol, text: `${call.name} reply: ${outcome(data)}` };
  }

  #call(data: Buffer, key: string): Content | undefined {
    if (data.length < CALL_HEADER || data.readUInt32BE(8) !== RPC_VERSION) return undefined;
    const program: Program | undefined = PROGRAMS[data.readUInt32BE(12)];
    if (!program) return undefined;
    const procedure = data.readUInt32BE(20);
    const name = program.procedures[procedure] ?? `procedure ${procedure}`;
    this.#calls.set(key, { protocol: program.name, name });
    const body = bodyOf(data, CALL_HEADER, 2);
    const told = body ? callArguments(program.name, name, body) : '';
    return { protocol: program.name, text: `${name} call${told === '' ? '' : ` ${told}`}` };
  }
}

/** What follows credentials and verifiers: a flavour, a length and as many bytes each. */
function bodyOf(data: Buffer, start: number, count: number): Buffer | undefined {
  let at = start;
  for (let index = 0; index < count; index++) {
    if (at + 8 > data.length) return undefined;
    const length = data.readUInt32BE(at + 4);
    if (length > MOST_CREDENTIAL) return undefined;
    at += 8 + Math.ceil(length / 4) * 4;
  }
  return at <= data.length ? data.subarray(at) : undefined;
}

/** RFC 5531 §9; behind it all these programs but portmap put a status of their own. */
function outcome(data: Buffer): string {
  if (data.readUInt32BE(8) !== 0) return 'denied';
  const body = bodyOf(data, REPLY_HEADER, 1);
  if (!body || body.length < 4) return 'cut short';
  const accepted = body.readUInt32BE(0);
  if (accepted !== 0)
    return `refused (${['', 'no such program', 'wrong version', 'no such procedure', 'garbage', 'error'][accepted] ?? accepted})`;
  if (body.length < 8) return 'ok';
  const status = body.readUInt32BE(4);
  return status === 0 ? 'ok' : `status ${status}`;
}

/** Of one segment with several messages, the first names the protocol. */
function joined(all: readonly Content[]): Content | undefined {
  const [first] = all;
  return first && { protocol: first.protocol, text: all.map(({ text }) => text).join('; ') };
}
