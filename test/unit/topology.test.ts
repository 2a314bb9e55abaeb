import { describe, expect, test } from 'vitest';
import type { NodeInfo } from '../../backend/api/node.ts';
import { topologyText, type Topology, withRates } from '../../backend/api/topology.ts';
import { parseTraffic } from '../../backend/lab/traffic.ts';
import { parseNetworks, restrictionsText } from '../../backend/nodes/networks/setting.ts';
import { type Cable, topologyOf } from '../../backend/nodes/networks/topology.ts';
import { topologyView } from '../../extension/topology/topology-view.ts';
import { BOX, layout } from '../../media/topology/layout.ts';
import { node } from '../support/api-lab.ts';

const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     5000      10    0    0    0     0          0         0     5000      10    0    0    0     0       0          0
walt-net: 1000000     900    0    0    0     0          0         0 90000000   60000    0    0    0     0       0          0
vn525400000001:123 4    0    0    0     0          0         0 456789012345   7    0    0    0     0       0          0
`;
const A = '52:54:00:00:00:01';
const B = '52:54:00:00:00:02';
const nodes: NodeInfo[] = [
  { ...node('vnode1'), mac: A, state: 'booted', settings: { netsetup: 'NAT' } },
  { ...node('vnode2'), mac: B, ip: '192.168.152.3', state: 'booting', stage: 'kernel' },
];
const cables: Record<string, Cable[]> = {
  vnode1: [
    { network: 'walt-net', tap: 'a0', restrictions: {} },
    { network: 'home-net', tap: 'a1', restrictions: { latencyUs: 10_000, loss: 0.07 } },
  ],
  vnode2: [
    { network: 'walt-net', tap: 'b0', restrictions: {} },
    { network: 'attic', tap: 'b1', restrictions: {} },
    { network: 'home-net', tap: 'b2', restrictions: {} },
  ],
};
/** `b1` is not there: it comes with the next boot. */
function look(seconds: number): Topology {
  const traffic = (n: number) => ({ received: 100 * n * seconds, sent: 1000 * n * seconds });
  const names = ['walt-net', 'a0', 'a1', 'b0', 'b2'];
  const topology = topologyOf({
    nodes: { list: () => nodes, cables: (name) => cables[name] ?? [] },
    traffic: () => new Map(names.map((name, at) => [name, traffic(at)])),
  });
  return { ...topology, at: seconds * 1000 };
}

describe('what the lab knows', () => {
  test('counters of interfaces, also where a name touches its number', () => {
    const traffic = parseTraffic(DEV);
    expect([...traffic.keys()]).toEqual(['lo', 'walt-net', 'vn525400000001']);
    expect(traffic.get('walt-net')).toEqual({ received: 1_000_000, sent: 90_000_000 });
    expect(traffic.get('vn525400000001')).toEqual({ received: 123, sent: 456_789_012_345 });
  });

  test('who is in which network; a tap receives what its node sends', () => {
    const topology = look(1);
    expect(topology.networks).toEqual(['walt-net', 'attic', 'home-net']);
    expect(topology.nodes.map(({ name, hasInternet }) => [name, hasInternet])).toEqual([
      ['vnode1', true],
      ['vnode2', false],
    ]);
    expect(topology.links).toEqual([
      { mac: null, network: 'walt-net', isUp: true, restrictions: '', toIt: 0, fromIt: 0 },
      { mac: A, network: 'walt-net', isUp: true, restrictions: '', toIt: 1000, fromIt: 100 },
      { mac: A, network: 'home-net', isUp: true, restrictions: 'lat=10ms,loss=7%', toIt: 2000, fromIt: 200 },
      { mac: B, network: 'walt-net', isUp: true, restrictions: '', toIt: 3000, fromIt: 300 },
      { mac: B, network: 'attic', isUp: false, restrictions: '', toIt: 0, fromIt: 0 },
      { mac: B, network: 'home-net', isUp: true, restrictions: '', toIt: 4000, fromIt: 400 },
    ]);
  });

  test.each(['lat=10ms,bw=1Mbps,loss=1%', 'lat=1500us', 'bw=64kbps', 'bw=2500Mbps', 'loss=0.5%', ''])(
    'restrictions %j are told as they are set',
    (text) => {
      const [, spec] = parseNetworks(`walt-net,home-net${text && `[${text}]`}`);
      expect(restrictionsText(spec?.restrictions ?? {})).toBe(text);
    },
  );
});

describe('what is told of it', () => {
  test('rates need two looks with the cable there, and a counter that began anew tells none', () => {
    const rates = (before: Topology | undefined, after: Topology) =>
      withRates(before, after).links.map((link) => [link.toItPerSecond, link.fromItPerSecond]);
    expect(rates(undefined, look(1))).toEqual(Array.from({ length: 6 }, () => [null, null]));
    expect(rates(look(1), look(3))).toEqual([
      [0, 0],
      [1000, 100],
      [2000, 200],
      [3000, 300],
      [null, null],
      [4000, 400],
    ]);
    const anew = { ...look(0), at: 9000 };
    expect(rates(look(1), anew)[1]).toEqual([null, null]);
  });

  test('as a tree', () => {
    expect(`${topologyText(withRates(look(1), look(2)))}\n`).toBe(`walt-net
│  name    state            address        traffic                   notes
├─ server  up               192.168.152.1  0 B/s in, 0 B/s out
├─ vnode1  booted           192.168.152.2  1.0 kB/s in, 100 B/s out  tiny, reaches the internet
└─ vnode2  booting, kernel  192.168.152.3  3.0 kB/s in, 300 B/s out  tiny

attic
│  name    state            address  traffic   notes
└─ vnode2  booting, kernel           no cable

home-net
│  name    state            address  traffic                   notes
├─ vnode1  booted                    2.0 kB/s in, 200 B/s out  lat=10ms,loss=7%
└─ vnode2  booting, kernel           4.0 kB/s in, 400 B/s out
`);
  });

  test('to the page, with the states of now', () => {
    const failed = { ...node('vnode1', 'No kernel.'), mac: A, state: 'failed' as const };
    const view = topologyView(withRates(look(1), look(2)), [failed]);
    expect(view.boxes).toEqual([
      { mac: '', name: 'server', state: 'up', detail: '', about: '192.168.152.1' },
      {
        mac: A,
        name: 'vnode1',
        state: 'failed',
        detail: 'No kernel.',
        about: '192.168.152.2 · tiny · reaches the internet',
      },
      { mac: B, name: 'vnode2', state: 'booting', detail: 'kernel', about: '192.168.152.3 · tiny' },
    ]);
    expect(view.links.map(({ isUp, isBusy, traffic }) => [isUp, isBusy, traffic]).slice(0, 5)).toEqual([
      [true, false, '0 B/s in, 0 B/s out'],
      [true, true, '1.0 kB/s in, 100 B/s out'],
      [true, true, '2.0 kB/s in, 200 B/s out'],
      [true, true, '3.0 kB/s in, 300 B/s out'],
      [false, false, ''],
    ]);
  });
});

describe('the drawing', () => {
  const view = topologyView(withRates(look(1), look(2)), nodes);
  const { boxes, networks, links, width, height } = layout(view);

  test('boxes are below each other, apart, and inside', () => {
    expect(boxes.map(({ box }) => box.name)).toEqual(['server', 'vnode1', 'vnode2']);
    for (const [at, { x, y }] of boxes.entries()) {
      expect(x + BOX.width).toBeLessThan(width);
      expect(y + BOX.height).toBeLessThanOrEqual(height);
      if (at > 0) expect(y).toBeGreaterThan((boxes[at - 1]?.y ?? 0) + BOX.height);
    }
  });

  test('each cable leads from its box to the line of its network, and no two lie on each other', () => {
    expect(links).toHaveLength(view.links.length);
    for (const { link, from, to, y } of links) {
      const box = boxes.find((placed) => placed.box.mac === link.mac);
      const network = networks.find(({ name }) => name === link.network);
      expect(from).toBe((box?.x ?? 0) + BOX.width);
      expect(y).toBeGreaterThan(box?.y ?? 0);
      expect(y).toBeLessThan((box?.y ?? 0) + BOX.height);
      expect(to).toBe(network?.x);
      expect(network?.bottom).toBeGreaterThanOrEqual(y);
    }
    expect(new Set(links.map(({ y }) => y)).size).toBe(links.length);
    expect(new Set(networks.map(({ x }) => x)).size).toBe(networks.length);
  });

  test('an empty lab is empty', () => {
    expect(layout({ networks: [], boxes: [], links: [] })).toMatchObject({
      boxes: [],
      links: [],
      networks: [],
    });
  });
});
