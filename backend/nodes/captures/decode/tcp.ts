import type { RpcDecoder } from './rpc.ts';
import { type Content, endpoint, lineOf, type Summary } from './summary.ts';

const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'] as const;
const SYN = 2;
const REQUEST = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) [^\r\n]{1,190}/;
const STATUS = /^HTTP\/1\.[01] \d{3}[^\r\n]{0,100}/;

/** TCP, and the first line of what it carries where that begins in the segment. */
export class TcpDecoder {
  readonly #rpc: RpcDecoder;

  constructor(rpc: RpcDecoder) {
    this.#rpc = rpc;
  }

  decode(packet: Buffer, sourceAddress: string, targetAddress: string): Summary {
    const source = { address: sourceAddress, port: packet.readUInt16BE(0) };
    const target = { address: targetAddress, port: packet.readUInt16BE(2) };
    const sequence = packet.readUInt32BE(4);
    const header = (packet.readUInt8(12) >> 4) * 4;
    const flags = packet.readUInt8(13);
    const data = packet.subarray(Math.max(20, header));
    const isNew = (flags & SYN) !== 0;
    const content =
      httpContent(data) ??
      this.#rpc.segment({ data, sequence, isNew, source, target }) ??
      plain(packet, data, flags);
    return { ...content, source: endpoint(source), target: endpoint(target) };
  }
}

function plain(packet: Buffer, data: Buffer, flags: number): Content {
  const names = FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0).join(' ');
  const [sequence, acknowledged] = [packet.readUInt32BE(4), packet.readUInt32BE(8)];
  const text = `${names} seq ${sequence} ack ${acknowledged} window ${packet.readUInt16BE(14)}, ${data.length} bytes`;
  return { protocol: 'TCP', text };
}

/** RFC 9112 §2: a message's first line, when a segment begins with it. */
function httpContent(data: Buffer): Content | undefined {
  const text = data.toString('latin1', 0, 220);
  const [line] = REQUEST.exec(text) ?? STATUS.exec(text) ?? [];
  return line === undefined ? undefined : { protocol: 'HTTP', text: lineOf(Buffer.from(line, 'latin1')) };
}
