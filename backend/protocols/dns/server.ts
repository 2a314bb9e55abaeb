import { messageOf } from '../../errors.ts';
import { UdpService } from '../udp-service.ts';
import { decodeQuery, encodeReply, Rcode, udpLimit } from './message.ts';
import type { Query, Reply } from './message.ts';
import { DnsTcp } from './tcp.ts';
import { refusal, Zones } from './zones.ts';
import type { ZonesOptions } from './zones.ts';

const MOST_TCP_BYTES = 0xffff;

export interface DnsServerOptions extends ZonesOptions {
  port?: number;
  log: (line: string) => void;
}

/** The lab's name server (RFC 1035, RFC 6891), by UDP and TCP. It knows its own two zones and refuses the rest. */
export class DnsServer {
  readonly #zones: Zones;
  readonly #udp: UdpService;
  readonly #tcp: DnsTcp;
  readonly #log: (line: string) => void;

  constructor(options: DnsServerOptions) {
    const { address, port = 53, log } = options;
    this.#log = log;
    this.#zones = new Zones(options);
    this.#udp = new UdpService({
      name: 'DNS',
      address,
      port,
      answer: (packet) => this.#answer(packet, udpLimit),
    });
    this.#tcp = new DnsTcp({
      address,
      port,
      answer: (message) => this.#answer(message, () => MOST_TCP_BYTES),
      log,
    });
  }

  /** Throws `dns.port` when a port cannot be had. */
  async start(): Promise<void> {
    await this.#udp.start();
    await this.#tcp.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.#udp.close(), this.#tcp.close()]);
  }

  /** Resets the connections of a client that is gone. */
  dropClient(client: string): void {
    this.#tcp.drop(client);
  }

  #answer(packet: Buffer, limitOf: (query: Query) => number): Buffer | undefined {
    const query = decodeQuery(packet);
    return query && encodeReply(query, this.#reply(query), limitOf(query));
  }

  #reply(query: Query): Reply {
    const { question, problem } = query;
    if (!question || problem !== undefined) return refusal(problem ?? Rcode.format);
    try {
      return this.#zones.answer(question);
    } catch (error) {
      // A look-up that fails must cost one answer, not the server.
      this.#log(`DNS: ${messageOf(error)}`);
      return refusal(Rcode.failure);
    }
  }
}
