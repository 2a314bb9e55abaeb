import * as z from 'zod';
import { NETWORK } from '../../lab/network.ts';
import { interfaceTraffic, type Traffic } from '../../lab/traffic.ts';
import { NodeInfo } from '../info.ts';
import { MAIN_NETWORK, restrictionsText, type Restrictions } from './setting.ts';

/** A network card of a node as its settings have it, and the interface at the lab's end of its cable. */
export interface Cable {
  network: string;
  tap: string;
  restrictions: Restrictions;
}

export const TopologyLink = z.object({
  /** MAC of the node at its end; null: the lab's server */
  mac: z.string().nullable(),
  network: z.string(),
  /** the node runs and its card is in the network; one that its settings name comes with its next boot */
  isUp: z.boolean(),
  /** as in the setting `networks`: `lat=10ms,bw=1Mbps`; empty: none */
  restrictions: z.string(),
  /** bytes that went to the node or server, and that came from it, since the cable is there */
  toIt: z.number(),
  fromIt: z.number(),
});
export type TopologyLink = z.infer<typeof TopologyLink>;

export const Topology = z.object({
  /** ms since the epoch */
  at: z.number(),
  server: z.object({ name: z.string(), address: z.string() }),
  /** `walt-net` first, then those of nodes alone, in the order of their names */
  networks: z.array(z.string()),
  nodes: z.array(
    NodeInfo.pick({
      name: true,
      mac: true,
      ip: true,
      image: true,
      state: true,
      reason: true,
      stage: true,
    }).extend({
      /** it reaches the internet through the lab (`netsetup=NAT`) */
      hasInternet: z.boolean(),
    }),
  ),
  /** the server's first, then by node and by network */
  links: z.array(TopologyLink),
});
export type Topology = z.infer<typeof Topology>;

export interface TopologyParts {
  nodes: { list(): NodeInfo[]; cables(node: string): Cable[] };
  /** of the lab's interfaces */
  traffic?: () => Map<string, Traffic>;
}

/** Who is in which network, and the bytes that have passed. A tap receives what its node sends. */
export function topologyOf({ nodes, traffic = interfaceTraffic }: TopologyParts): Topology {
  const passed = traffic();
  const list = nodes.list();
  const cables = list.flatMap(({ name, mac }) => nodes.cables(name).map((cable) => ({ ...cable, mac })));
  const others = new Set(cables.map(({ network }) => network).filter((name) => name !== MAIN_NETWORK));
  const links = cables.map(({ mac, network, tap, restrictions }): TopologyLink => {
    const bytes = passed.get(tap);
    return {
      mac,
      network,
      isUp: bytes !== undefined,
      restrictions: restrictionsText(restrictions),
      toIt: bytes?.sent ?? 0,
      fromIt: bytes?.received ?? 0,
    };
  });
  return {
    at: Date.now(),
    server: { name: 'server', address: NETWORK.address },
    networks: [MAIN_NETWORK, ...[...others].sort()],
    nodes: list.map(({ name, mac, ip, image, state, reason, stage, settings }) => ({
      ...{ name, mac, ip, image, state, reason, stage },
      hasInternet: settings.netsetup === 'NAT',
    })),
    links: [serverLink(passed.get(NETWORK.name)), ...links],
  };
}

/** The server is at the bridge itself. */
function serverLink(bytes: Traffic | undefined): TopologyLink {
  const { received = 0, sent = 0 } = bytes ?? {};
  return {
    mac: null,
    network: MAIN_NETWORK,
    isUp: bytes !== undefined,
    restrictions: '',
    toIt: received,
    fromIt: sent,
  };
}
