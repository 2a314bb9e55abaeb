import { expect, test } from 'vitest';
import { connectedNetworks, hostNetworks, ownAddresses } from '../../backend/lab/host-networks.ts';
import { parseNetworkList, renderNatFilter } from '../../backend/lab/nat-filter.ts';

test("the kernel's tables give a host's own addresses and networks", () => {
  const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
`;
  expect(ownAddresses(trie)).toEqual(['192.0.2.2/32', '127.0.0.1/32']);
  const route = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
eth0	0010AC0A	010200C0	0003	0	0	0	00F0FFFF	0	0	0
`;
  expect(connectedNetworks(route)).toEqual(['192.0.2.0/24', '10.0.0.0/8']);
  expect(hostNetworks(process.pid)).toContain('127.0.0.1/32');
});

test('lists of networks are checked before they reach a program', () => {
  expect(parseNetworkList(' 10.1.2.3, 10.2.0.0/16,', 'X')).toEqual(['10.1.2.3', '10.2.0.0/16']);
  expect(parseNetworkList('', 'X')).toEqual([]);
  for (const wrong of ['10.1', '10.1.2.3/33', '10.1.2.3/8/8', '::1', 'a } drop', '10.0.0.0/-1'])
    expect(() => parseNetworkList(`10.9.9.9,${wrong}`, 'X')).toThrow(`X names "${wrong}", which is no`);
});

test('nobody is let out unless named', () => {
  const rules = renderNatFilter({ nodes: [], host: ['10.5.0.0/16'], asked: [] });
  expect(rules).toContain('policy drop');
  expect(rules).toMatch(/set nodes \{ type ipv4_addr; *\}/);
  expect(rules).toMatch(/set closed .*127\.0\.0\.0\/8.*10\.5\.0\.0\/16/);
});
