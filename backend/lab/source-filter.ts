import { isIPv4 } from 'node:net';
import { BootyardError } from '../errors.ts';

/** The node at a tap: MAC in lower case with colons, IPv4 address with dots. */
export interface TapOwner {
  mac: string;
  ip: string;
  /** it may leave the lab by the uplink */
  nat?: boolean;
}

/** Throws `lab.network` when an owner is not what its type says: both end up in programs for ip and nft. */
export function checkTapOwner({ mac, ip }: TapOwner): void {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && isIPv4(ip)) return;
  throw new BootyardError('lab.network', `A tap cannot belong to MAC "${mac}" and address "${ip}".`);
}

const TABLE = 'bridge bootyard';
/** An IEEE 802.1Q or 802.1ad tag of VLAN 0; by offsets in bits, as every version of nft reads them. */
const PRIORITY_TAG = '@ll,96,16 { 0x8100, 0x88a8 } @ll,116,12 0';
/** IPv6 extension headers by number (RFC 7045 §4): after a fragment header they are there to hide what follows. */
const EXTENSION_HEADERS = '0, 43, 44, 51, 60, 135, 139, 140';

/**
 * The nftables program that holds every tap with an owner to that owner's MAC and IPv4 address (ARP included), and keeps
 * nodes from answering DHCP. 0.0.0.0 stays allowed as a source: a node without an address asks with it (RFC 2131 §4.1,
 * RFC 5227 §1.1). One transaction: it replaces the whole table, so no packet meets half of it.
 *
 * Nodes may speak IPv6 to each other, but not as routers: no advertisements and redirects, also not behind fragments
 * whose first one hides the type (RFC 7112, RFC 7113) or priority tags, which receivers strip. The server hears a node
 * under one IPv6 address only, or a node could fill the neighbour table, which the host's kernel has once for all.
 * Networks of nodes alone (their taps begin with `xn`) do not lead to the server at all.
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
  ${set(
    'link_locals',
    'ifname . ipv6_addr',
    owned.map((tap) => `"${tap.name}" . ${linkLocalAddress(tap.mac)}`),
  )}
  chain from_nodes {
    type filter hook prerouting priority -300;
    iifname @guarded jump own_addresses
  }
  chain to_server {
    type filter hook input priority 0;
    iifname "xn*" drop
    iifname @guarded ether type ip6 iifname . ip6 saddr != @link_locals drop
  }
  chain own_addresses {
    ${PRIORITY_TAG} drop
    iifname . ether saddr != @macs drop
    ether type arp iifname . arp saddr ether != @macs drop
    ether type arp arp saddr ip != 0.0.0.0 iifname . arp saddr ip != @addresses drop
    ether type ip ip saddr != 0.0.0.0 iifname . ip saddr != @addresses drop
    ether type ip udp sport 67 udp dport 68 drop
    ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } drop
    ether type ip6 frag nexthdr { ${EXTENSION_HEADERS} } drop
    ether type ip6 udp sport 547 udp dport 546 drop
  }
}
`;
}

function set(name: string, type: string, elements: string[]): string {
  const list = elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
  return `set ${name} { type ${type}; ${list} }`;
}

/** The address that a node's firmware and kernel make of its MAC (RFC 4291 appendix A). */
function linkLocalAddress(mac: string): string {
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = mac.split(':');
  const first = (Number.parseInt(a, 16) ^ 2).toString(16);
  return `fe80::${first}${b}:${c}ff:fe${d}:${e}${f}`;
}
