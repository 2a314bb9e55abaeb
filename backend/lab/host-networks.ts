import { readFileSync } from 'node:fs';

/** Addresses and networks in CIDR notation that belong to a host, by what its kernel says of one network namespace. */
export function hostNetworks(pid: number): string[] {
  const read = (file: string): string => readFileSync(`/proc/${pid}/net/${file}`, 'latin1');
  return [...new Set([...ownAddresses(read('fib_trie')), ...connectedNetworks(read('route'))])].sort();
}

/** Local addresses of /proc/net/fib_trie: `|-- <address>`, with `/32 host LOCAL` among the lines below it. */
export function ownAddresses(trie: string): string[] {
  let address = '';
  const found: string[] = [];
  for (const line of trie.split('\n')) {
    address = /\|-- (\d+\.\d+\.\d+\.\d+)$/.exec(line)?.[1] ?? address;
    if (line.trim() === '/32 host LOCAL') found.push(`${address}/32`);
  }
  return found;
}

/** Destinations of /proc/net/route without a gateway (RTF_GATEWAY): networks that the host is in. */
export function connectedNetworks(routes: string): string[] {
  const RTF_GATEWAY = 2;
  return routes
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , flags = '', , , , mask = ''] = line.trim().split(/\s+/);
      if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return [];
      const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
      return bits === 0 || (Number.parseInt(flags, 16) & RTF_GATEWAY) !== 0
        ? []
        : [`${dotted(destination)}/${bits}`];
    });
}

/** The kernel prints the bytes of an address as a number of its processor: least first on all that we run on. */
function dotted(hex: string): string {
  return (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.');
}
