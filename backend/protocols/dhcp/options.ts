/** Option codes that this server reads or writes (RFC 2132 unless said otherwise). */
export const Option = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  dnsServer: 6,
  hostName: 12,
  domainName: 15,
  broadcast: 28,
  ntpServer: 42,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  parameterList: 55,
  message: 56,
  maximumSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientIdentifier: 61,
  tftpServer: 66,
  bootFile: 67,
  /** RFC 3004 */
  userClass: 77,
  /** RFC 3046 */
  relayInformation: 82,
  /** RFC 4578 */
  architecture: 93,
  /** RFC 4578 */
  clientUuid: 97,
  /** RFC 3397 */
  domainSearch: 119,
  /** iPXE's own options, encapsulated */
  ipxe: 175,
  end: 255,
} as const;

export const MessageType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

const names = ['BOOTP', 'DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM'];

/** `1` → `DISCOVER` */
export function messageName(type: number): string {
  return names[type] ?? `type ${type}`;
}

const encoder = new TextEncoder();

export function textBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of an option: NULs at the end are padding, control characters have no place in an event or a file name. */
export function optionText(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes) return undefined;
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end === 0) return undefined;
  let text = '';
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const isControl = byte < 0x20 || (byte >= 0x7f && byte < 0xa0);
    text += isControl ? '?' : String.fromCharCode(byte);
  }
  return text;
}

export function uint32Bytes(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** Names as a DNS search list (RFC 3397 with RFC 1035 labels, no compression). */
export function searchList(...domains: string[]): Uint8Array {
  const bytes: number[] = [];
  for (const domain of domains) {
    for (const label of domain.split('.')) {
      const text = textBytes(label);
      bytes.push(text.length, ...text);
    }
    bytes.push(0);
  }
  return Uint8Array.from(bytes);
}
