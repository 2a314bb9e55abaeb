import { isUtf8 } from 'node:buffer';
import type { Publish } from '../../events/bus.ts';
import { UdpService } from '../udp-service.ts';
import { Sender } from './sender.ts';

/** WalT's. */
const PORT = 12342;
/** Addresses of the lab's network. */
const MOST_SENDERS = 256;

export interface NetconsoleServerOptions {
  /** dotted */
  address: string;
  port?: number;
  publish: Publish;
}

/** Takes what kernels of nodes send by netconsole, basic or extended, to WalT's stream `netconsole`. It answers nothing. */
export class NetconsoleServer extends UdpService {
  readonly #senders: Map<string, Sender>;

  constructor({ address, port = PORT, publish }: NetconsoleServerOptions) {
    const senders = new Map<string, Sender>();
    super({
      name: 'netconsole',
      address,
      port,
      // A kernel begins with all that it has said so far, at once.
      recvBufferSize: 4 << 20,
      answer: (packet, client) => {
        let sender = senders.get(client);
        if (!sender) {
          dropOldest(senders);
          sender = new Sender((line) => publish(logEvent(client, line)));
          senders.set(client, sender);
        }
        sender.take(packet);
        return undefined;
      },
    });
    this.#senders = senders;
  }

  /** A node that is off sends nothing any more: what waits is handed over. */
  dropClient(client: string): void {
    this.#senders.get(client)?.flush();
    this.#senders.delete(client);
  }

  override async close(): Promise<void> {
    await super.close();
    for (const client of [...this.#senders.keys()]) this.dropClient(client);
  }
}

function dropOldest(senders: Map<string, Sender>): void {
  if (senders.size < MOST_SENDERS) return;
  const [oldest] = senders;
  oldest?.[1].flush();
  senders.delete(oldest?.[0] ?? '');
}

function logEvent(client: string, bytes: Buffer): Parameters<Publish>[0] {
  const isText = isUtf8(bytes);
  return {
    kind: 'log',
    client,
    stream: 'netconsole',
    line: bytes.toString(isText ? 'utf8' : 'latin1'),
    ...(isText ? {} : { bytes: Buffer.from(bytes) }),
    timestamp: Date.now(),
  };
}
