import { isIPv4 } from 'node:net';
import { BootyardError } from '../errors.ts';

/** The node at a tap: MAC in lower case with colons, IPv4 address with dots. */
export interface TapOwner {
  mac: string;
  ip: string;
}

/** Throws `lab.network` when an owner is not what its type says: both end up in programs for ip and nft. */
export function checkTapOwner({ mac, ip }: TapOwner): void {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && isIPv4(ip)) return;
  throw new BootyardError('lab.network', `A tap cannot belong to MAC "${mac}" and address "${ip}".`);
}

const TABLE = 'bridge bootyard';

/**
 * The nftables program that holds every tap with an owner to that owner's MAC and IPv4 address (ARP included), and keeps
 * nodes from answering DHCP. 0.0.0.0 stays allowed as a source: a node without an address asks with it (RFC 2131 §4.1,
 * RFC 5227 §1.1). One transaction: it replaces the whole table, so no packet meets half of it.
 */
export function renderSourceFilter(taps: readonly { name: string; owner?: TapOwner | undefined }[]): string {
  const owned = taps.flatMap(({ name, owner }) => (owner === undefined ? [] : [{ name, ...owner }]));
  return `
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  ${set(
    'guarded',
    'ifname',
    owned.map((tap) => `"${tap.name}"`),
  )}
  ${set(
    'macs',
    'ifname . ether_addr',
    owned.map((tap) => `"${tap.name}" . ${tap.mac}`),
  )}
  ${set(
    'addresses',
    'ifname . ipv4_addr',
    owned.map((tap) => `"${tap.name}" . ${tap.ip}`),
  )}
  chain from_nodes {
    type filter hook prerouting priority -300;
    iifname @guarded jump own_addresses
  }
  chain own_addresses {
    iifname . ether saddr != @macs drop
    ether type arp iifname . arp saddr ether != @macs drop
    ether type arp arp saddr ip != 0.0.0.0 iifname . arp saddr ip != @addresses drop
    ether type ip ip saddr != 0.0.0.0 iifname . ip saddr != @addresses drop
    ether type ip udp sport 67 udp dport 68 drop
  }
}
`;
}

function set(name: string, type: string, elements: string[]): string {
  const list = elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
  return `set ${name} { type ${type}; ${list} }`;
}
