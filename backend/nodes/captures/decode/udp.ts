import { decode as decodeDhcp, type DhcpMessage } from '../../../protocols/dhcp/codec.ts';
import { messageName, Option } from '../../../protocols/dhcp/options.ts';
import { decode as decodeTftp, type TftpPacket } from '../../../protocols/tftp/packets.ts';
import type { RpcDecoder } from './rpc.ts';
import {
  BoundedMap,
  type Content,
  endpoint,
  type Endpoint,
  lineOf,
  macText,
  type Summary,
} from './summary.ts';

const HEADER = 8;
const PORT = { dns: 53, dhcpServer: 67, dhcpClient: 68, tftp: 69, ntp: 123 } as const;
const MOST_TRANSFERS = 256;
const DHCP_ANSWERS = new Set([2, 5]);

/** UDP, and what it carries. TFTP is known by its request: what follows has other ports (RFC 1350 §4). */
export class UdpDecoder {
  readonly #rpc: RpcDecoder;
  readonly #tftpClients = new BoundedMap<true>(MOST_TRANSFERS);

  constructor(rpc: RpcDecoder) {
    this.#rpc = rpc;
  }

  decode(packet: Buffer, sourceAddress: string, targetAddress: string): Summary {
    const source = { address: sourceAddress, port: packet.readUInt16BE(0) };
    const target = { address: targetAddress, port: packet.readUInt16BE(2) };
    const length = packet.readUInt16BE(4);
    const data = packet.subarray(HEADER, length >= HEADER ? length : undefined);
    const content = this.#content(data, source, target) ?? { protocol: 'UDP', text: `${data.length} bytes` };
    return { ...content, source: endpoint(source), target: endpoint(target) };
  }

  #content(data: Buffer, source: Endpoint, target: Endpoint): Content | undefined {
    const ports = [source.port, target.port];
    const isAny = (...known: number[]): boolean => ports.some((port) => known.includes(port));
    if (isAny(PORT.dhcpServer, PORT.dhcpClient)) return { protocol: 'DHCP', text: dhcpText(data) };
    if (isAny(PORT.dns)) return { protocol: 'DNS', text: `${data.length} bytes` };
    if (isAny(PORT.ntp)) return { protocol: 'NTP', text: `${data.length} bytes` };
    return this.#tftp(data, source, target) ?? this.#rpc.datagram(data, source, target);
  }

  #tftp(data: Buffer, source: Endpoint, target: Endpoint): Content | undefined {
    if (target.port === PORT.tftp) this.#tftpClients.set(endpoint(source), true);
    else if (![source, target].some((end) => this.#tftpClients.get(endpoint(end)))) return undefined;
    const packet = decodeTftp(data);
    return { protocol: 'TFTP', text: packet ? tftpText(packet, data) : `malformed, ${data.length} bytes` };
  }
}

function dhcpText(data: Buffer): string {
  const message = decodeDhcp(data);
  if (!message) return `malformed, ${data.length} bytes`;
  const { options, xid, chaddr } = message;
  const type = options.get(Option.messageType)?.[0] ?? 0;
  const details = message.op === 2 ? answerDetails(message, type) : requestDetails(options);
  const head = `${messageName(type)} ${macText(chaddr)} xid 0x${xid.toString(16).padStart(8, '0')}`;
  return [head, ...details].join(', ');
}

function requestDetails(options: ReadonlyMap<number, Uint8Array>): string[] {
  const asked = options.get(Option.requestedAddress);
  const architecture = options.get(Option.architecture);
  const user = options.get(Option.userClass);
  return [
    ...(asked ? [`asks for ${[...asked].join('.')}`] : []),
    ...(architecture?.length === 2
      ? [`architecture ${(architecture[0] ?? 0) * 256 + (architecture[1] ?? 0)}`]
      : []),
    ...(user ? [`user class ${lineOf(Buffer.from(user))}`] : []),
  ];
}

function answerDetails({ yiaddr, file, options }: DhcpMessage, type: number): string[] {
  const why = options.get(Option.message);
  const name = options.get(Option.bootFile) ?? Buffer.from(file, 'latin1');
  return [
    ...(DHCP_ANSWERS.has(type) ? [numberAddress(yiaddr)] : []),
    ...(name.length > 0 ? [`boot file ${lineOf(Buffer.from(name)).replace(/\.$/, '')}`] : []),
    ...(why ? [lineOf(Buffer.from(why))] : []),
  ];
}

function numberAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function tftpText(packet: TftpPacket, data: Buffer): string {
  switch (packet.op) {
    case 'read':
    case 'write': {
      const options = packet.options.map(([name, value]) => `${name}=${value}`).join(' ');
      return lineOf(Buffer.from(`${packet.op} ${packet.file} (${packet.mode}) ${options}`.trimEnd()));
    }
    case 'data':
      return `data ${packet.block}, ${data.length - 4} bytes`;
    case 'ack':
      return `ack ${packet.block}`;
    case 'error':
      return lineOf(Buffer.from(`error ${packet.code}: ${packet.message}`));
    case 'oack':
      return `options ${lineOf(data.subarray(2)).replaceAll('.', ' ').trim()}`;
  }
}
