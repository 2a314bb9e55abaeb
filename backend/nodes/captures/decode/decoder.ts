import type { Packet } from '../pcap.ts';
import { addressText, macText, type Summary } from './summary.ts';
import { TcpDecoder } from './tcp.ts';
import { UdpDecoder } from './udp.ts';
import { RpcDecoder } from './rpc.ts';

const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;
const IP = { icmp: 1, tcp: 6, udp: 17 } as const;
const ETHERNET_HEADER = 14;

/** Reads the frames of one capture in their order, and says of each in a line what it is. Frames may hold anything. */
export class PacketDecoder {
  readonly #rpc = new RpcDecoder();
  readonly #udp = new UdpDecoder(this.#rpc);
  readonly #tcp = new TcpDecoder(this.#rpc);

  decode({ bytes }: Packet): Summary {
    try {
      return this.#frame(bytes);
    } catch (error) {
      // A read behind the end: every other check would say the same of it.
      if (!(error instanceof RangeError)) throw error;
      return {
        protocol: 'malformed',
        source: bytes.length >= 12 ? macText(bytes.subarray(6, 12)) : '?',
        target: bytes.length >= 12 ? macText(bytes.subarray(0, 6)) : '?',
        text: `cut short or malformed, ${bytes.length} bytes: ${bytes.subarray(0, 16).toString('hex')}`,
      };
    }
  }

  #frame(bytes: Buffer): Summary {
    const type = bytes.readUInt16BE(12);
    const rest = bytes.subarray(ETHERNET_HEADER);
    const target = macText(bytes.subarray(0, 6));
    const source = macText(bytes.subarray(6, 12));
    if (type === ETHERTYPE.arp) return { protocol: 'ARP', source, target, text: arpText(rest) };
    if (type === ETHERTYPE.ipv4) return this.#ipv4(rest);
    if (type === ETHERTYPE.ipv6) return ipv6(rest);
    const name = type === ETHERTYPE.vlan ? 'VLAN' : `type 0x${type.toString(16).padStart(4, '0')}`;
    return { protocol: 'Ethernet', source, target, text: `${name}, ${bytes.length} bytes` };
  }

  #ipv4(packet: Buffer): Summary {
    const header = (packet.readUInt8(0) & 15) * 4;
    const total = packet.readUInt16BE(2);
    const source = addressText(packet.subarray(12, 16));
    const target = addressText(packet.subarray(16, 20));
    if (packet.readUInt8(0) >> 4 !== 4 || header < 20 || packet.length < header) {
      return { protocol: 'IPv4', source, target, text: 'malformed header' };
    }
    // Frames may be padded; a total of 0 is that of a frame that a card is to cut (segmentation offload).
    const data = packet.subarray(header, total >= header ? total : undefined);
    const protocol = packet.readUInt8(9);
    const offset = (packet.readUInt16BE(6) & 0x1fff) * 8;
    if (offset > 0) {
      return {
        protocol: 'IPv4',
        source,
        target,
        text: `fragment from byte ${offset} on, ${data.length} bytes`,
      };
    }
    if (protocol === IP.udp) return this.#udp.decode(data, source, target);
    if (protocol === IP.tcp) return this.#tcp.decode(data, source, target);
    if (protocol === IP.icmp) return { protocol: 'ICMP', source, target, text: icmpText(data) };
    return { protocol: 'IPv4', source, target, text: `protocol ${protocol}, ${data.length} bytes` };
  }
}

/** RFC 826 */
function arpText(packet: Buffer): string {
  const operation = packet.readUInt16BE(6);
  const sender = addressText(packet.subarray(14, 18));
  const target = addressText(packet.subarray(24, 28));
  if (packet.length < 28) return 'cut short';
  if (operation === 1) return sender === target ? `announces ${sender}` : `who has ${target}? tell ${sender}`;
  if (operation === 2) return `${sender} is at ${macText(packet.subarray(8, 14))}`;
  return `operation ${operation}`;
}

/** RFC 792 */
function icmpText(packet: Buffer): string {
  const type = packet.readUInt8(0);
  const code = packet.readUInt8(1);
  const echo = (): string => `id ${packet.readUInt16BE(4)}, sequence ${packet.readUInt16BE(6)}`;
  if (type === 8) return `echo request, ${echo()}`;
  if (type === 0) return `echo reply, ${echo()}`;
  if (type === 3) return `unreachable, code ${code}`;
  if (type === 11) return `time exceeded, code ${code}`;
  return `type ${type}, code ${code}`;
}

/** The lab speaks IPv4: of IPv6 it is enough to see that it is there. */
function ipv6(packet: Buffer): Summary {
  const next = packet.readUInt8(6);
  const address = (at: number): string => {
    const words = Array.from({ length: 8 }, (_, index) => packet.readUInt16BE(at + index * 2).toString(16));
    return words.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
  };
  const text = `next header ${next}, ${packet.readUInt16BE(4)} bytes`;
  return { protocol: next === 58 ? 'ICMPv6' : 'IPv6', source: address(8), target: address(24), text };
}
