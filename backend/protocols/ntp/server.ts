import { UdpService } from '../udp-service.ts';
import { HostClock } from './clock.ts';
import { decodeRequest, encodeAnswer } from './packets.ts';

export interface NtpServerOptions {
  /** dotted; answers come from this address */
  address: string;
  port?: number;
  /** ms since 1970 with a fraction; the host's clock if not given */
  clock?: () => number;
}

/** A time server for the lab (RFC 5905 in server mode, RFC 4330): it tells the host's time and keeps no state of clients. */
export class NtpServer extends UdpService {
  constructor({ address, port = 123, clock }: NtpServerOptions) {
    const host = new HostClock();
    const now = clock ?? (() => host.now());
    super({
      name: 'NTP',
      address,
      port,
      answer: (packet) => {
        const receivedAt = now();
        const request = decodeRequest(packet);
        return request && encodeAnswer(request, receivedAt, now());
      },
    });
  }
}
