import { isIPv4 } from 'node:net';
import { BootyardError } from '../errors.ts';
import { NETWORK } from './network.ts';
import { UPLINK } from './uplink.ts';

/** What no node reaches through the uplink, whatever the host's networks are (RFC 6890): among it cloud metadata. */
const NEVER = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', UPLINK.network];
/** TEST-NET-3 (RFC 5737) is nobody's: a host that has it has it to play the internet, as for our tests. */
const TEST_INTERNET = '203.0.113.0/24';

export interface NatRules {
  /** addresses of the nodes that may go out */
  nodes: readonly string[];
  /** the host's own addresses and networks */
  host: readonly string[];
  /** addresses and networks of the host that nodes may reach all the same */
  asked: readonly string[];
}

const TABLE = 'ip bootyard';

/**
 * The nftables program of the lab's way out. Only nodes of the set leave, under the lab's own address, and only answers
 * come back; nothing leads to the host itself and its networks. One transaction, as in source-filter.ts, which sees to it
 * that a node cannot take another's address.
 */
export function renderNatFilter({ nodes, host, asked }: NatRules): string {
  const out = `iifname "${NETWORK.name}" oifname "${UPLINK.name}" ip saddr @nodes`;
  return `
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  ${set('nodes', '', nodes)}
  ${set('open', 'flags interval; auto-merge;', [TEST_INTERNET, ...asked])}
  ${set('closed', 'flags interval; auto-merge;', [...NEVER, `${NETWORK.address}/${NETWORK.prefix}`, ...host])}
  chain forward {
    type filter hook forward priority 0; policy drop;
    ${among(NETWORK.name)}
    ${among('xn*')}
    iifname "${UPLINK.name}" oifname "${NETWORK.name}" ct state established,related accept
    ${out} ip daddr @open accept
    ${out} ip daddr != @closed accept
    ${out} reject with icmp type admin-prohibited
  }
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "${UPLINK.name}" masquerade
  }
}
`;
}

/** Kernels with br_netfilter show this table what nodes send each other, too. */
function among(bridge: string): string {
  return `iifname "${bridge}" oifname "${bridge}" accept`;
}

function set(name: string, flags: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
  return `set ${name} { type ipv4_addr; ${flags} ${list} }`;
}

/**
 * Addresses and networks of a list with commas, such as `10.1.2.3,10.2.0.0/16`. Throws `lab.network` with what is wrong,
 * and of which `variable`.
 */
export function parseNetworkList(text: string, variable: string): string[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const wrong = parts.find((part) => {
    const [address = '', bits = '32', ...more] = part.split('/');
    return more.length > 0 || !isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32;
  });
  if (wrong === undefined) return parts;
  throw new BootyardError(
    'lab.network',
    `${variable} names "${wrong}", which is no IPv4 address or network: write it as in 10.1.2.3,10.2.0.0/16.`,
  );
}
