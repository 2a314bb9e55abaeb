/** IPv4 addresses are unsigned 32-bit numbers inside the DHCP server: masks and ranges are arithmetic. */

/** `3232274433` → `192.168.152.1` */
export function addressText(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** `192.168.152.1` → `3232274433`; undefined when the text is not an IPv4 address. */
export function addressNumber(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!parts) return undefined;
  let address = 0;
  for (const part of parts.slice(1)) {
    const byte = Number(part);
    if (byte > 255) return undefined;
    address = address * 256 + byte;
  }
  return address;
}

/** The four bytes of an address in network order. */
export function addressBytes(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

/** The address in the first four bytes of an option; undefined when it is shorter. */
export function addressOf(bytes: Uint8Array | undefined): number | undefined {
  if (!bytes || bytes.length < 4) return undefined;
  return (((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) >>> 0;
}

export function sameSubnet(one: number, other: number, mask: number): boolean {
  return ((one ^ other) & mask) === 0;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Hardware address in lower case with colons. */
export function macText(chaddr: Uint8Array): string {
  let text = '';
  for (let index = 0; index < chaddr.length; index++) {
    if (index > 0) text += ':';
    text += hex[chaddr[index] ?? 0] ?? '';
  }
  return text;
}
