import * as z from 'zod';
import { Topology, type TopologyLink } from '../nodes/networks/topology.ts';
import { method } from './method.ts';
import { formatSize, formatTable, printable } from './text-table.ts';

export { Topology, TopologyLink } from '../nodes/networks/topology.ts';

export const topologyMethods = {
  /** The lab's networks with who is in them, and counters of bytes; two of these give rates (`withRates`). */
  'lab.topology': method(z.object({}), Topology),
};

/** Bytes per second; null: not known, as the cable was not there at both times. */
export interface Rates {
  toItPerSecond: number | null;
  fromItPerSecond: number | null;
}
export interface MeasuredTopology extends Topology {
  links: (TopologyLink & Rates)[];
}

/** The later of two looks at a lab, with what passed each cable between them. */
export function withRates(before: Topology | undefined, after: Topology): MeasuredTopology {
  const seconds = before === undefined ? 0 : (after.at - before.at) / 1000;
  const rate = (from: number, to: number): number | null =>
    seconds > 0 && to >= from ? (to - from) / seconds : null;
  const links = after.links.map((link) => {
    const old = before?.links.find(({ mac, network }) => mac === link.mac && network === link.network);
    const isKnown = old?.isUp === true && link.isUp;
    return {
      ...link,
      toItPerSecond: isKnown ? rate(old.toIt, link.toIt) : null,
      fromItPerSecond: isKnown ? rate(old.fromIt, link.fromIt) : null,
    };
  });
  return { ...after, links };
}

/** `1.2 kB/s in, 300 B/s out` as its end of the cable sees it; a dash where that is not known. */
export function ratesText({ toItPerSecond, fromItPerSecond }: Rates): string {
  return `${rateText(toItPerSecond)} in, ${rateText(fromItPerSecond)} out`;
}

function rateText(rate: number | null): string {
  return rate === null ? '-' : `${formatSize(rate)}/s`;
}

/** A tree for terminals: each network, and under it who is in it. */
export function topologyText(topology: MeasuredTopology): string {
  return topology.networks.map((network) => branch(topology, network)).join('\n\n');
}

function branch(topology: MeasuredTopology, network: string): string {
  const links = topology.links.filter((link) => link.network === network);
  const rows = links.map((link) => rowOf(topology, link));
  const [head = '', , ...lines] = formatTable(['name', 'state', 'address', 'traffic', 'notes'], rows).split(
    '\n',
  );
  const last = lines.length - 1;
  return [network, `│  ${head}`, ...lines.map((line, at) => `${at === last ? '└─' : '├─'} ${line}`)].join(
    '\n',
  );
}

function rowOf({ server, nodes, networks }: Topology, link: TopologyLink & Rates): string[] {
  const traffic = link.isUp ? ratesText(link) : 'no cable';
  // Other networks have no addresses that the lab knows.
  const isMain = link.network === networks[0];
  if (link.mac === null) return [server.name, 'up', server.address, traffic, ''];
  const node = nodes.find(({ mac }) => mac === link.mac);
  if (!node) return [link.mac, '', '', traffic, link.restrictions];
  const stage = node.state === 'booting' && node.stage !== null ? `booting, ${node.stage}` : node.state;
  const notes = [
    isMain ? node.image : '',
    link.restrictions,
    isMain && node.hasInternet ? 'reaches the internet' : '',
  ];
  return [
    node.name,
    stage,
    isMain ? node.ip : '',
    traffic,
    notes
      .filter((note) => note !== '')
      .map(printable)
      .join(', '),
  ];
}
