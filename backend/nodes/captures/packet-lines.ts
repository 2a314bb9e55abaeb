import type { CaptureRecord } from './capture-files.ts';
import { PacketDecoder } from './decode/decoder.ts';
import type { Summary } from './decode/summary.ts';
import type { Trace } from './info.ts';
import { readPackets } from './pcap.ts';

/** What a trace of NFS shows: mounting belongs to it. */
const SHOWN: Readonly<Record<Trace, readonly string[]>> = {
  dhcp: ['DHCP'],
  tftp: ['TFTP'],
  http: ['HTTP'],
  nfs: ['NFS', 'NFSACL', 'MOUNT', 'PORTMAP', 'NLM'],
};

export interface LinesOptions {
  trace: Trace | undefined;
  /** asked at the end of the file: whether there may be more */
  more: () => Promise<boolean>;
  /** power-on, ms since the epoch: times count from it */
  since: number;
}

/** A line for each packet of a capture, or of one protocol in it: number, seconds since power-on, ends, protocol, what it says. */
export async function* packetLines(
  { place }: CaptureRecord,
  { trace, more, since }: LinesOptions,
): AsyncGenerator<string> {
  const decoder = new PacketDecoder();
  let number = 0;
  for await (const packet of readPackets(place.pcap, more)) {
    number++;
    const summary = decoder.decode(packet);
    if (trace !== undefined && !SHOWN[trace].includes(summary.protocol)) continue;
    yield lineOf(number, packet.at / 1e6 - since / 1e3, summary);
  }
}

function lineOf(number: number, seconds: number, { source, target, protocol, text }: Summary): string {
  const ends = `${source} > ${target}`;
  return `${String(number).padStart(6)} ${seconds.toFixed(6).padStart(11)}  ${ends.padEnd(45)} ${protocol.padEnd(7)} ${text}`;
}
