import { describe, expect, test } from 'vitest';
import { NodeDhcpPolicy } from '../../backend/boot/dhcp-policy.ts';
import type { DhcpMessage } from '../../backend/protocols/dhcp/codec.ts';
import { decode, encode } from '../../backend/protocols/dhcp/codec.ts';
import { LeaseTable } from '../../backend/protocols/dhcp/leases.ts';
import { Option, optionText, textBytes } from '../../backend/protocols/dhcp/options.ts';
import { networkOptions } from '../../backend/protocols/dhcp/reply-options.ts';
import { reply } from '../../backend/protocols/dhcp/reply.ts';
import { capturedMessage, clientMessage, ip } from '../fixtures/dhcp/packets.ts';

const server = '192.168.152.1';
const policy = new NodeDhcpPolicy({ byMac: () => undefined, byAddress: () => undefined }, server);

/** The offer's file, as option 67, and its vendor class; as they go over the wire. */
function offer(request: DhcpMessage): { file: string | undefined; vendorClass: string | undefined } {
  const range = { first: ip('192.168.152.200'), last: ip('192.168.152.250') };
  const outcome = reply(request, {
    network: networkOptions(ip(server), ip('255.255.255.0')),
    leases: new LeaseTable({ range, leaseMs: 1e9 }),
    now: 1,
    policy,
    serverPort: 67,
    clientPort: 68,
  });
  if (!outcome.answer) throw new Error(outcome.cause);
  const sent = decode(encode(outcome.message, outcome.limit));
  expect(sent?.siaddr).toBe(ip(server));
  const text = (code: number): string | undefined => optionText(sent?.options.get(code));
  return { file: text(Option.bootFile), vendorClass: text(Option.vendorClass) };
}

function firmware(vendorClass: string, architecture: number, userClass?: string): DhcpMessage {
  const options: [number, Uint8Array][] = [
    [Option.vendorClass, textBytes(vendorClass)],
    [Option.architecture, Uint8Array.of(0, architecture)],
    [Option.parameterList, Uint8Array.of(1, 3, 43, 54, 60, 66, 67)],
  ];
  if (userClass) options.push([Option.userClass, textBytes(userClass)]);
  return clientMessage({ type: 'discover', options });
}

describe('boot files for UEFI', () => {
  test('a captured DISCOVER of OVMF is given iPXE for UEFI', () => {
    expect(offer(capturedMessage('ovmf-discover')).file).toBe('pxe/walt-x86-64-snponly.efi');
  });

  test.each([7, 9])('architecture %d: iPXE for UEFI, and then the first stage', (architecture) => {
    const pxe = `PXEClient:Arch:0000${architecture}:UNDI:003000`;
    expect(offer(firmware(pxe, architecture)).file).toBe('pxe/walt-x86-64-snponly.efi');
    expect(offer(firmware(pxe, architecture, 'iPXE')).file).toBe('pxe/bootyard-stage1.ipxe');
    expect(offer(firmware(pxe, architecture, 'walt.node.pc-x86-64')).file).toBeUndefined();
  });

  test('architecture 16: a URL, and the vendor class without which it is no offer for HTTP', () => {
    expect(offer(firmware('HTTPClient:Arch:00016:UNDI:003001', 16))).toEqual({
      file: `http://${server}/boot/pxe/walt-x86-64-snponly.efi`,
      vendorClass: 'HTTPClient',
    });
  });

  test('others are given none', () => {
    expect(offer(firmware('PXEClient:Arch:00006:UNDI:003000', 6)).file).toBeUndefined();
    expect(offer(firmware('HTTPClient:Arch:00019:UNDI:003001', 19)).file).toBeUndefined();
    expect(offer(firmware('PXEClient:Arch:00000:UNDI:002001', 0)).file).toBe('pxe/walt-x86-undionly.kpxe');
  });
});
