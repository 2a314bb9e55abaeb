import { CLASS_IN, Rcode, Type } from './message.ts';
import type { Question, RecordData, Reply } from './message.ts';
import { below } from './names.ts';
import type { Name } from './names.ts';

export interface ZonesOptions {
  /** the server's own address, dotted; its /24 is the reverse zone */
  address: string;
  /** the address of a host by its name, whatever the case of its letters */
  addressOf: (name: string) => string | undefined;
  /** the name of a host by its address */
  nameOf: (address: string) => string | undefined;
}

/** Hosts are renamed and removed while others have their addresses in mind. */
const TTL_SECONDS = 10;
const FORWARD: Name = ['walt'];
const SERVER: Name = ['server', ...FORWARD];
const SOA: RecordData = { type: Type.soa, server: SERVER, mailbox: ['hostmaster', ...FORWARD] };
/** What stands at the top of each zone. */
const APEX: readonly RecordData[] = [SOA, { type: Type.ns, target: SERVER }];

/**
 * The lab's two zones: `walt` with an A record for the server and each host, and the reverse zone of the server's /24
 * with their PTR records. Other names are refused.
 */
export class Zones {
  readonly #options: ZonesOptions;
  /** the first three bytes of all addresses, with a dot behind */
  readonly #prefix: string;
  readonly #reverse: Name;

  constructor(options: ZonesOptions) {
    this.#options = options;
    const bytes = options.address.split('.').slice(0, 3);
    this.#prefix = `${bytes.join('.')}.`;
    this.#reverse = [...bytes.reverse(), 'in-addr', 'arpa'];
  }

  /** Whether another server may know: the name is in no zone of ours, and the question is about names at all. */
  isForeign({ name, type, class: kind }: Question): boolean {
    const isOurs = below(name, FORWARD) !== undefined || below(name, this.#reverse) !== undefined;
    return kind === CLASS_IN && !isMeta(type) && !isOurs;
  }

  answer(question: Question): Reply {
    if (question.class !== CLASS_IN || isMeta(question.type)) return refusal(Rcode.refused);
    const host = below(question.name, FORWARD);
    if (host)
      return answerFrom(
        question,
        FORWARD,
        this.#at(host, (label) => this.#forward(label)),
      );
    const number = below(question.name, this.#reverse);
    if (number)
      return answerFrom(
        question,
        this.#reverse,
        this.#at(number, (label) => this.#backward(label)),
      );
    return refusal(Rcode.refused);
  }

  /** The records of a name below a zone; undefined when the name does not exist. */
  #at(labels: Name, find: (label: string) => RecordData | undefined): readonly RecordData[] | undefined {
    const [label] = labels;
    if (label === undefined) return APEX;
    const found = labels.length === 1 ? find(label) : undefined;
    return found && [found];
  }

  #forward(label: string): RecordData | undefined {
    const { address, addressOf } = this.#options;
    const found = label === SERVER[0] ? address : addressOf(label);
    return found === undefined ? undefined : { type: Type.a, address: found };
  }

  #backward(label: string): RecordData | undefined {
    if (!/^(0|[1-9]\d{0,2})$/.test(label)) return undefined;
    const { address, nameOf } = this.#options;
    const asked = this.#prefix + label;
    const found = asked === address ? SERVER[0] : nameOf(asked);
    return found === undefined ? undefined : { type: Type.ptr, target: [found, ...FORWARD] };
  }
}

/** Zone transfers and what is about messages, not names: RFC 6895 §3.1. ANY is not among them. */
function isMeta(type: number): boolean {
  return type === 0 || type === Type.opt || (type >= 128 && type < Type.any);
}

/** Names without the wanted type get the SOA record, which says for how long (RFC 2308 §2). */
function answerFrom(question: Question, zone: Name, found: readonly RecordData[] | undefined): Reply {
  // One record set is answer enough to ANY (RFC 8482 §4.1).
  const data =
    question.type === Type.any ? found?.[0] : found?.find((candidate) => candidate.type === question.type);
  const record = (name: Name, value: RecordData) => ({ name, ttl: TTL_SECONDS, data: value });
  return {
    rcode: found ? Rcode.ok : Rcode.noName,
    authoritative: true,
    answers: data ? [record(question.name, data)] : [],
    authority: data ? [] : [record(zone, SOA)],
  };
}

export function refusal(rcode: number): Reply {
  return { rcode, authoritative: false, answers: [], authority: [] };
}
