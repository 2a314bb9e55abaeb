import { expect, test } from 'vitest';
import { NodeDhcpPolicy } from '../../../backend/boot/dhcp-policy.ts';
import type { StoredEvent } from '../../../backend/events/steps.ts';
import { explain } from '../../../backend/nodes/explain/explain.ts';
import type { DhcpMessage } from '../../../backend/protocols/dhcp/codec.ts';
import { LeaseTable } from '../../../backend/protocols/dhcp/leases.ts';
import { Option, textBytes } from '../../../backend/protocols/dhcp/options.ts';
import { reply } from '../../../backend/protocols/dhcp/reply.ts';
import { networkOptions } from '../../../backend/protocols/dhcp/reply-options.ts';
import { clientMessage, ip } from '../../fixtures/dhcp/packets.ts';
import { boot } from './support.ts';

const SERVER = '192.168.152.1';
const MAC = '52:54:00:12:34:56';

/** What the DHCP server of a lab says of a node's message. */
function said(request: DhcpMessage): StoredEvent {
  const node = { ip: '192.168.152.10', name: 'n1' };
  const policy = new NodeDhcpPolicy({ byMac: () => node, byAddress: () => undefined }, SERVER);
  const leases = new LeaseTable({ leaseMs: 1000 });
  const network = networkOptions(ip(SERVER), ip('255.255.255.0'));
  const outcome = reply(request, { network, leases, now: 0, policy, serverPort: 67, clientPort: 68 });
  const { vendorClass, userClass, architecture } = outcome.client;
  return {
    kind: 'dhcp',
    time: 0,
    message: outcome.request,
    cause: outcome.cause,
    ...(outcome.answer && { answer: outcome.answer }),
    ...(vendorClass !== undefined && { vendorClass }),
    ...(userClass !== undefined && { userClass }),
    ...(architecture !== undefined && { architecture }),
  };
}
const pxe = (architecture: number): [number, Uint8Array][] => [
  [Option.vendorClass, textBytes(`PXEClient:Arch:${String(architecture).padStart(5, '0')}`)],
  [Option.architecture, Uint8Array.of(0, architecture)],
];
const causeOf = (...events: StoredEvent[]): string => explain(boot({ stage: 'dhcp', events })).cause;

test('the words of the DHCP server itself lead to the causes', () => {
  const discover = clientMessage({ type: 'discover', mac: MAC });
  const relayed = clientMessage({ type: 'discover', mac: MAC, giaddr: '10.9.8.7' });
  expect(causeOf(said(relayed))).toBe('dhcp.relay');
  const elsewhere = clientMessage({ type: 'request', mac: MAC, requested: '10.0.0.1' });
  expect(causeOf(said(elsewhere))).toBe('dhcp.refused');
  const take = { type: 'request', mac: MAC, server: SERVER, requested: '192.168.152.10' } as const;
  expect(causeOf(said(clientMessage({ ...take, options: pxe(11) })))).toBe('dhcp.no-file');
  const model: [number, Uint8Array][] = [[Option.userClass, textBytes('walt.node.pc-x86-32')]];
  expect(causeOf(said(clientMessage({ ...take, options: model })))).toBe('dhcp.wrong-model');
  expect(causeOf(said(discover))).toBe('dhcp.answer-lost');
});
