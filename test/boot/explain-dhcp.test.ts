import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, test } from 'vitest';
import { findProgram } from '../../backend/lab/program.ts';
import { brokenLab, type Broken } from '../support/explain.ts';
import { CARD, Neighbour } from '../support/lab-neighbour.ts';
import { repository, TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

/** Programs in it are found before those of this host. */
const programs = mkdtempSync(join(tmpdir(), 'by-programs-'));
const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
const { lab, expectCause } = brokenLab(new TestLab({ env }));
afterAll(() => rmSync(programs, { recursive: true }));

/** Rules of the lab's bridge; `table` goes with all that is in it. */
const rules = (text: string): Pick<Broken, 'before' | 'after'> => ({
  before: () => lab.inside('nft', `add table bridge test; ${text}`),
  after: () => lab.inside('nft', 'delete table bridge test'),
});
const chain = (hook: string, rule: string): string =>
  `add chain bridge test ${hook} { type filter hook ${hook} priority -400; }; add rule bridge test ${hook} ${rule}`;

let neighbour: Neighbour;
/** What is outside of the lab's own network. */
const RELAY = '10.9.8.7';
const relayed = rules(chain('input', 'ether daddr ff:ff:ff:ff:ff:ff udp dport 67 drop'));
const silent = rules(chain('prerouting', 'iifname "vn*" drop'));

const cases: Broken[] = [
  {
    // The bridge keeps what clients broadcast from the server, as a switch may; a relay of another network passes it on.
    cause: 'dhcp.relay',
    before: async () => {
      await relayed.before?.();
      neighbour = await Neighbour.join(lab);
      for (const address of [`${RELAY}/24`, '192.168.152.254/24']) {
        await neighbour.run('ip', 'address', 'add', address, 'dev', CARD);
      }
      const program = join(repository, 'test/support/dhcp-relay.mjs');
      await neighbour.start(process.execPath, program, RELAY, '192.168.152.1');
    },
    after: async () => {
      await neighbour.leave();
      await relayed.after?.();
    },
    settings: ['boot.timeout=20'],
    words: ['dhcp', `came through the relay ${RELAY}`, 'take the relay away'],
  },
  {
    // A machine that is no 64-bit PC, which no setting makes.
    cause: 'dhcp.wrong-model',
    before: () => {
      const real = findProgram('qemu-system-x86_64') ?? '';
      const program = join(programs, 'qemu-system-x86_64');
      writeFileSync(program, `#!/bin/sh\nexec ${real} "$@" -cpu qemu32\n`);
      chmodSync(program, 0o755);
      return Promise.resolve();
    },
    after: () => Promise.resolve(rmSync(join(programs, 'qemu-system-x86_64'))),
    settings: ['accel=tcg'],
    words: ['boot files', 'says it is a pc-x86-32', 'was made as pc-x86-64', 'a machine of model pc-x86-64'],
  },
  {
    // No firmware of such a kind is at hand, so a client with the node's address asks as one does (RFC 4578: 6 is EFI IA32).
    cause: 'dhcp.no-file',
    ...silent,
    meanwhile: async (node) => {
      neighbour = await Neighbour.join(lab, (await lab.node(node)).mac);
      const asked = ['-V', 'PXEClient:Arch:00006:UNDI:003016', '-x', '0x5d:0006'];
      const client = ['udhcpc', '-i', CARD, '-f', '-n', '-q', '-s', '/bin/true', ...asked];
      await neighbour.run('busybox', ...client);
      await neighbour.leave();
    },
    settings: ['firmware=uefi', 'boot.timeout=20'],
    words: ['dhcp', '(architecture 6) got an address and no boot file', 'firmware=ipxe'],
  },
  {
    cause: 'dhcp.answer-lost',
    ...rules(chain('output', 'udp sport 67 drop')),
    settings: ['boot.timeout=20'],
    words: ['dhcp', 'offered it an address', 'and it took none', 'bootyard doctor'],
  },
  {
    cause: 'network.lab-broken',
    before: () => lab.inside('ip', 'link', 'set', 'walt-net', 'down'),
    after: async () => {
      await lab.inside('ip', 'link', 'set', 'walt-net', 'up');
      await lab.inside('ip', 'route', 'replace', '255.255.255.255/32', 'dev', 'walt-net');
    },
    settings: ['boot.timeout=20'],
    words: ['firmware', "nothing of that reached the lab's DHCP server", 'bootyard lab stop'],
  },
  {
    cause: 'network.loss',
    settings: ['networks=walt-net[loss=100%]', 'boot.timeout=20'],
    words: ['firmware', 'loses 100 % of its frames', 'networks=walt-net'],
  },
  {
    cause: 'network.slow',
    settings: ['networks=walt-net[bw=64kbps]', 'boot.timeout=20'],
    words: ['boot files', 'passes 64 kbit/s', '/boot/initrd was on its way', 'networks=walt-net'],
  },
  {
    // A ROM file without anything in it that a BIOS would take for a ROM.
    cause: 'firmware.nothing-to-boot',
    before: () => {
      writeFileSync(join(programs, 'efi-virtio.rom'), Buffer.alloc(64 << 10));
      return lab.inside('mount', '--bind', join(programs, 'efi-virtio.rom'), ROM);
    },
    after: () => lab.inside('umount', ROM),
    settings: ['firmware=pxe'],
    words: ['firmware', '(firmware=pxe) found nothing to boot', 'package ipxe'],
  },
];
const ROM = '/usr/lib/ipxe/qemu/efi-virtio.rom';

describe.runIf(isLong)('a boot that stops before its files, or for its network', () => {
  test.each(cases)('$cause', expectCause);
});
