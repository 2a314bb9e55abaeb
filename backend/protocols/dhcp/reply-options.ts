import { addressBytes, addressNumber, addressText, sameSubnet } from './addresses.ts';
import type { DhcpClient } from './client.ts';
import { defaultMessageSize } from './codec.ts';
import { MessageType, Option, searchList, textBytes, uint32Bytes } from './options.ts';
import type { BootFile, Reservation } from './policy.ts';

/** What the server says to each client, encoded once. */
export interface NetworkOptions {
  readonly server: number;
  readonly subnetMask: number;
  readonly leaseSeconds: number;
  readonly identifier: Uint8Array;
  readonly lease: ReadonlyMap<number, Uint8Array>;
  readonly common: ReadonlyMap<number, Uint8Array>;
}

const domain = 'walt';
/** as WalT's server gives: a boot testbed never wants an address to change */
export const defaultLeaseSeconds = 6_000_000;

/** Options of WalT's server: it is its nodes' next server, TFTP server, name server and clock. */
export function networkOptions(
  server: number,
  subnetMask: number,
  leaseSeconds = defaultLeaseSeconds,
): NetworkOptions {
  const identifier = addressBytes(server);
  return {
    server,
    subnetMask,
    leaseSeconds,
    identifier,
    lease: new Map([
      [Option.leaseTime, uint32Bytes(leaseSeconds)],
      // RFC 2131 §4.4.5: T1 is half of the lease, T2 seven eighths
      [Option.renewalTime, uint32Bytes(Math.floor(leaseSeconds / 2))],
      [Option.rebindingTime, uint32Bytes(Math.floor((leaseSeconds * 7) / 8))],
    ]),
    common: new Map([
      [Option.subnetMask, addressBytes(subnetMask)],
      [Option.tftpServer, textBytes(addressText(server))],
      [Option.dnsServer, identifier],
      [Option.domainName, textBytes(domain)],
      [Option.broadcast, addressBytes((server | ~subnetMask) >>> 0)],
      [Option.ntpServer, identifier],
      [Option.domainSearch, searchList(domain)],
    ]),
  };
}

/** iPXE sub-option 176 (`no-pxedhcp`) = 1: do not wait three seconds for a ProxyDHCP server. */
const noProxyWait = Uint8Array.of(176, 1, 1);

/**
 * Options of an OFFER or ACK in the order in which they may claim the message's room: those that the protocol needs, those
 * that the client asks for in its own order (RFC 2132 §9.8), then the rest.
 */
export function answerOptions(
  type: number,
  client: DhcpClient,
  network: NetworkOptions,
  reservation: Reservation | undefined,
  boot: BootFile | undefined,
): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  options.set(Option.messageType, Uint8Array.of(type));
  options.set(Option.serverIdentifier, network.identifier);
  if (type !== MessageType.inform) for (const [code, value] of network.lease) options.set(code, value);
  else options.set(Option.messageType, Uint8Array.of(MessageType.ack));
  echo(options, client);

  const optional = new Map(network.common);
  if (boot?.file) optional.set(Option.bootFile, bootFileBytes(boot.file, client));
  if (client.isIpxe) optional.set(Option.ipxe, noProxyWait);
  if (reservation) addReservation(optional, reservation, network);
  for (const [code, value] of boot?.options ?? []) if (!options.has(code)) optional.set(code, value);

  for (const code of client.requested) {
    const value = optional.get(code);
    if (value) options.set(code, value);
  }
  for (const [code, value] of optional) options.set(code, value);
  return options;
}

/** Options of a NAK (RFC 2131 table 3). */
export function refusalOptions(
  client: DhcpClient,
  network: NetworkOptions,
  reason: string,
): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  options.set(Option.messageType, Uint8Array.of(MessageType.nak));
  options.set(Option.serverIdentifier, network.identifier);
  echo(options, client);
  options.set(Option.message, textBytes(reason));
  return options;
}

/** The largest message that the client takes: option 57 counts IP and UDP headers, 576 is its floor, Ethernet its roof. */
export function messageLimit(client: DhcpClient): number {
  const value = client.options.get(Option.maximumSize);
  if (!value || value.length < 2) return defaultMessageSize;
  const datagram = ((value[0] ?? 0) << 8) | (value[1] ?? 0);
  return Math.min(1472, Math.max(defaultMessageSize, datagram - 28));
}

/** Relay information (RFC 3046 §2.2) and client identifier (RFC 6842 §3) go back as they came. */
function echo(options: Map<number, Uint8Array>, client: DhcpClient): void {
  for (const code of [Option.clientIdentifier, Option.relayInformation]) {
    const value = client.options.get(code);
    if (value) options.set(code, value);
  }
}

function addReservation(
  optional: Map<number, Uint8Array>,
  reservation: Reservation,
  network: NetworkOptions,
): void {
  optional.set(Option.hostName, textBytes(reservation.hostname));
  const router = reservation.router === undefined ? undefined : addressNumber(reservation.router);
  if (router !== undefined && sameSubnet(router, network.server, network.subnetMask)) {
    optional.set(Option.router, addressBytes(router));
  }
}

/** Intel's UEFI takes the option for a C string and reads on to the next NUL: give it one. */
function bootFileBytes(file: string, client: DhcpClient): Uint8Array {
  const isFirmware = /^(PXE|HTTP)Client/.test(client.vendorClass ?? '');
  return textBytes(isFirmware ? `${file}\0` : file);
}
