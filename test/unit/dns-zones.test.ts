import { expect, test } from 'vitest';
import { Type } from '../../backend/protocols/dns/message.ts';
import { Zones } from '../../backend/protocols/dns/zones.ts';
import { hosts } from '../fixtures/dns/packets.ts';

const zones = new Zones(hosts);
const ask = (name: string, type: number, cls = 1) =>
  zones.answer({ name: name.split('.').filter((label) => label !== ''), type, class: cls });
const data = (name: string, type: number) => ask(name, type).answers.map((record) => record.data);
const reverse = '152.168.192.in-addr.arpa';

test.each([
  ['vnode1.walt', '192.168.152.2'],
  ['SECOND.WalT', '192.168.152.3'],
  ['server.walt', '192.168.152.1'],
])('%s has the address %s', (name, address) => {
  expect(data(name, Type.a)).toEqual([{ type: Type.a, address }]);
  expect(ask(name, Type.a)).toMatchObject({ rcode: 0, authoritative: true, authority: [] });
});

test.each([
  [`2.${reverse}`, ['vnode1', 'walt']],
  [`100.${reverse}`, ['hundred', 'walt']],
  [`1.${reverse.toUpperCase()}`, ['server', 'walt']],
])('%s is the address of %j', (name, target) => {
  expect(data(name, Type.ptr)).toEqual([{ type: Type.ptr, target }]);
});

test.each([
  'nobody.walt',
  'a.vnode1.walt',
  `9.${reverse}`,
  `02.${reverse}`,
  `1000.${reverse}`,
  `x.${reverse}`,
  `1.2.${reverse}`,
])('%s is no name, with the SOA record of the zone', (name) => {
  const reply = ask(name, Type.a);
  expect(reply).toMatchObject({ rcode: 3, authoritative: true, answers: [] });
  expect(reply.authority).toEqual([
    { name: name.endsWith('walt') ? ['walt'] : reverse.split('.'), ttl: 10, data: data('walt', Type.soa)[0] },
  ]);
});

test.each([
  ['vnode1.walt', Type.aaaa],
  ['server.walt', Type.ptr],
  ['walt', Type.a],
  [`2.${reverse}`, Type.a],
  [reverse, Type.ptr],
])('%s has no record of type %i: no error, and the SOA record', (name, type) => {
  expect(ask(name, type)).toMatchObject({
    rcode: 0,
    authoritative: true,
    answers: [],
    authority: [{ data: { type: Type.soa } }],
  });
});

test.each(['walt', reverse])('%s has SOA and NS', (name) => {
  expect(data(name, Type.soa)).toEqual([
    { type: Type.soa, server: ['server', 'walt'], mailbox: ['hostmaster', 'walt'] },
  ]);
  expect(data(name, Type.ns)).toEqual([{ type: Type.ns, target: ['server', 'walt'] }]);
});

test('ANY gets one record', () => {
  expect(data('walt', Type.any)).toHaveLength(1);
  expect(data('vnode1.walt', Type.any)).toEqual([{ type: Type.a, address: '192.168.152.2' }]);
});

test.each([
  ['debian.org', Type.a, 1],
  ['', Type.ns, 1],
  ['vnode1', Type.a, 1],
  ['xwalt', Type.a, 1],
  ['vnode1.walt.example', Type.a, 1],
  ['168.192.in-addr.arpa', Type.ptr, 1],
  ['1.153.168.192.in-addr.arpa', Type.ptr, 1],
  ['walt', Type.axfr, 1],
  ['walt', 251, 1],
  ['walt', Type.opt, 1],
  ['vnode1.walt', Type.a, 3],
  ['vnode1.walt', Type.a, 255],
])('%s, type %i, class %i is refused', (name, type, cls) => {
  expect(ask(name, type, cls)).toEqual({ rcode: 5, authoritative: false, answers: [], authority: [] });
});
