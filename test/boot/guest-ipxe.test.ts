import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { firmwarePath } from '../../backend/boot/firmware.ts';
import { guestFolder } from '../../backend/guest/injected.ts';
import { Machine, unpackTiny } from './guest-machine.ts';

const scratch = mkdtempSync(join(tmpdir(), 'guest-ipxe-'));
const root = join(scratch, 'root');
const firmware = { kernel: firmwarePath('ipxe.lkrn'), initrd: join(guestFolder(), 'stage1.ipxe') };
let machine: Machine | undefined;

beforeAll(() => unpackTiny(root));
afterEach(() => machine?.stop());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

// QEMU's own DHCP and TFTP servers stand for the lab's; it has no HTTP server, so the scripts must fall back to TFTP.
describe('boot scripts under real iPXE', () => {
  // The kernel drops a character of its early console when a busy host is slow to take it.
  it(
    'start the kernel of an image over TFTP with the arguments of the WalT contract',
    { retry: 1 },
    async () => {
      const network = `hostname=vnode1,tftp=${join(root, 'boot/pc-x86-64')}`;
      machine = new Machine({ ...firmware, network });
      await machine.shows('asking for an address (walt.node.pc-x86-64)');
      await machine.shows('HTTP failed; going on over TFTP.');
      await machine.shows('Run /init as init process');
      const [, commandLine] = /Command line: (.*)/.exec(machine.console) ?? [];
      const server = '10.0.2.2';
      const ages = ['acregmin', 'acregmax', 'acdirmin', 'acdirmax']
        .map((name) => `${name}=157680000`)
        .join(',');
      expect(commandLine?.trim().split(' ')).toEqual([
        'initrd=initrd',
        'root=/dev/nfs',
        'boot=walt',
        'rootfstype=walt',
        `nfsroot=${server}:/var/lib/walt/nodes/52:54:00:12:34:56/fs,ro,vers=3,nolock,nocto,${ages}`,
        'walt.node.model=pc-x86-64',
        `walt.server.ip=${server}`,
        'init=/bin/walt-init',
        'panic=30',
        `ip=10.0.2.15:${server}:10.0.2.2:255.255.255.0:vnode1::off`,
        'BOOTIF=01-52-54-00-12-34-56',
        'console=ttyS0',
      ]);
    },
  );

  it('say what could not be loaded, and try again a few times, in view', async () => {
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    machine = new Machine({ ...firmware, network: `tftp=${empty}` });
    await machine.shows('>>> Boot failed: The script tftp://10.0.2.2/start.ipxe could not be run.');
    await machine.shows('>>> Trying again in 5 seconds (attempt 1 of 3).');
  });
});
