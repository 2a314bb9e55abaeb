import { messageOf } from '../../errors.ts';
import { UdpService } from '../udp-service.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
import { decodeQuery, encodeReply, fitResponse, Rcode, udpLimit } from './message.ts';
import type { Query, Reply } from './message.ts';
import { DnsTcp } from './tcp.ts';
import { refusal, Zones } from './zones.ts';
import type { ZonesOptions } from './zones.ts';

const MOST_TCP_BYTES = 0xffff;

export interface DnsServerOptions extends ZonesOptions {
  port?: number;
  /** who else is asked, and for whom; nobody by default */
  forward?: ForwarderOptions;
  log: (line: string) => void;
}

/**
 * The lab's name server (RFC 1035, RFC 6891), by UDP and TCP. It knows its own two zones, and asks another server the
 * rest for clients that may.
 */
export class DnsServer {
  readonly #zones: Zones;
  readonly #forwarder: Forwarder | undefined;
  readonly #udp: UdpService;
  readonly #tcp: DnsTcp;
  readonly #log: (line: string) => void;

  constructor(options: DnsServerOptions) {
    const { address, port = 53, log } = options;
    this.#log = log;
    this.#zones = new Zones(options);
    this.#forwarder = options.forward && new Forwarder(options.forward);
    this.#udp = new UdpService({
      name: 'DNS',
      address,
      port,
      answer: (packet, client) => this.#answer(packet, client, 'udp'),
    });
    this.#tcp = new DnsTcp({
      address,
      port,
      answer: (message, client) => this.#answer(message, client, 'tcp'),
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

  #answer(
    packet: Buffer,
    client: string,
    transport: 'udp' | 'tcp',
  ): Buffer | undefined | Promise<Buffer | undefined> {
    const query = decodeQuery(packet);
    if (!query) return undefined;
    const limit = transport === 'udp' ? udpLimit(query) : MOST_TCP_BYTES;
    const { question, problem } = query;
    const isForeign = question && problem === undefined && this.#zones.isForeign(question);
    if (!isForeign || !this.#forwarder?.mayAsk(client)) return encodeReply(query, this.#reply(query), limit);
    return this.#forwarder
      .ask(packet, question, client, transport)
      .then((found) =>
        found ? fitResponse(found, limit, query) : encodeReply(query, refusal(Rcode.failure), limit),
      );
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
