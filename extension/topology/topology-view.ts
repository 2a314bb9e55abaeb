import { type MeasuredTopology, ratesText } from '../../backend/api/topology.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { stateDetail } from '../nodes/node-row.ts';
import type { BoxInfo, LinkInfo, ToPage } from './messages.ts';

/** What the page draws of a lab. `nodes`: as they are now, maybe later than the topology. */
export function topologyView(topology: MeasuredTopology, nodes: readonly NodeInfo[]): ToPage {
  const { server, networks, links } = topology;
  const serverBox = { mac: '', name: server.name, state: 'up', detail: '', about: server.address };
  return {
    type: 'show',
    notice: topology.nodes.length > 0 ? '' : 'There is no node yet: create one first.',
    networks,
    boxes: [serverBox, ...topology.nodes.map((node) => boxOf(node, nodes))],
    links: links.map(linkOf),
  };
}

export function emptyView(notice: string): ToPage {
  return { type: 'show', notice, networks: [], boxes: [], links: [] };
}

function boxOf(node: MeasuredTopology['nodes'][number], nodes: readonly NodeInfo[]): BoxInfo {
  const now = { ...node, ...nodes.find(({ mac }) => mac === node.mac) };
  const internet = node.hasInternet ? ['reaches the internet'] : [];
  return {
    mac: now.mac,
    name: now.name,
    state: now.state,
    detail: stateDetail(now),
    about: [now.ip, now.image, ...internet].join(' · '),
  };
}

function linkOf(link: MeasuredTopology['links'][number]): LinkInfo {
  const { mac, network, isUp, restrictions, toItPerSecond, fromItPerSecond } = link;
  return {
    mac: mac ?? '',
    network,
    isUp,
    isBusy: (toItPerSecond ?? 0) + (fromItPerSecond ?? 0) > 0,
    traffic: isUp ? ratesText(link) : '',
    restrictions,
  };
}
