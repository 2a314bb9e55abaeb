import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { askNode } from '../../backend/agent/node-service.ts';
import { StreamServer } from '../../backend/agent/stream-server.ts';
import type { EventBody } from '../../backend/events/bus.ts';
import { injectedFiles } from '../../backend/guest/injected.ts';
import { folderEntries, initramfs, Machine, unpackTiny } from './guest-machine.ts';

/** Stands for the initrd of a real boot: network up, a root file system mounted read-only, then walt-init. */
const STAND_IN = `#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=755 run /run; echo 1.00 >/run/uptime-root-mount
modprobe -a virtio_pci virtio_net
ifconfig lo 127.0.0.1; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up; route add default gw 10.0.2.2
hostname vnode1
mkdir /image; mount -t tmpfs image /image
cp -a bin etc lib lib64 root sbin usr var /image
mkdir /image/dev /image/proc /image/run /image/sys /image/tmp /image/mnt
mount -o remount,ro /image
for folder in run dev sys proc; do mount -o move /$folder /image/$folder; done
exec switch_root /image /bin/walt-init
`;

const scratch = mkdtempSync(join(tmpdir(), 'guest-node-'));
const root = join(scratch, 'root');
const kernel = join(root, 'boot/pc-x86-64/kernel');
const initrd = join(scratch, 'initramfs');
let ports: { server: number; node: number };
let machine: Machine | undefined;

beforeAll(async () => {
  await unpackTiny(root);
  ports = { server: await freePort(), node: await freePort() };
  const values = {
    walt_server_ip: '10.0.2.2',
    walt_server_rpc_port: '9',
    walt_server_logs_port: String(ports.server),
    walt_server_notify_bootup_port: String(ports.server),
    walt_image_id: 'cd'.repeat(32),
    walt_image_size_kib: '35000',
  };
  const entries = folderEntries(root).filter(({ path }) => !path.startsWith('boot/'));
  for (const { path, mode, content } of injectedFiles(values, 'amd64')) {
    if (path.startsWith('/bin/_walt_internal_/')) {
      entries.push({ type: 'directory', path: 'bin/_walt_internal_', mode: 0o755 });
    }
    entries.push({ type: 'file', path: path.slice(1), mode, content });
  }
  entries.push({ type: 'file', path: 'init', mode: 0o755, content: Buffer.from(STAND_IN) });
  writeFileSync(initrd, initramfs(entries));
});
afterEach(() => machine?.stop());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The server of the node, and its events as they come. */
async function serve(): Promise<{
  server: StreamServer;
  next: (wanted: (event: EventBody) => boolean) => Promise<EventBody>;
}> {
  const events: EventBody[] = [];
  const checks = new Set<() => void>();
  const publish = (event: EventBody): void => {
    events.push(event);
    for (const check of checks) check();
  };
  const server = new StreamServer({
    address: '127.0.0.1',
    port: ports.server,
    publish,
    log: console.error,
    nodeConfig: () => '',
  });
  await server.start();
  const next = (wanted: (event: EventBody) => boolean): Promise<EventBody> =>
    new Promise((resolve) => {
      const check = (): void => {
        const found = events.find(wanted);
        if (!found) return;
        checks.delete(check);
        resolve(found);
      };
      checks.add(check);
      check();
    });
  return { server, next };
}

const booted = (event: EventBody): boolean => event.kind === 'agent' && event.phase === 'booted';

describe('node scripts in a virtual machine', () => {
  it('take a node from its root file system to "booted", through a restart of the server, to a reboot on request', async () => {
    let { server, next } = await serve();
    const network = `hostfwd=tcp:127.0.0.1:${ports.node}-:12346`;
    machine = new Machine({ kernel, initrd, arguments: '', network });
    const said = (line: string): Promise<EventBody> =>
      next((event) => event.kind === 'log' && event.stream === 'walt-init' && event.line === line);
    await machine.during(said('Starting up.'));
    await machine.during(said('Handing over to WALT image init.'));
    await machine.during(next(booted));

    const steps = [...machine.console.matchAll(/^\*\*\* (.{60}) \*\*\*$/gm)].map(([, text]) => text?.trim());
    expect(steps).toEqual([
      'Initializing...',
      'Switching to rootfs...',
      'Mounting /persist...',
      'Detecting boot-mode...',
      'Mounting a RAM overlay on top of remote image...',
      'Switching to finalfs...',
      'Starting bg processes...',
      'Mounting remote swap space on server...',
      'Starting walt image init...',
    ]);
    expect(machine.console).toContain('/persist was not mounted (cf. walt node config)');
    expect(machine.console).toContain('Setting clock... skipped (virtual node)');
    expect(machine.console).toContain('Using boot-mode: network');
    expect(machine.console).toContain("skipped, this feature needs 'nbd-client' on the image.");

    machine.type('echo new >/etc/new; df / | tail -n1; tail -n1 /bin/walt-env; ls /run/walt/rootfs/mnt\n');
    await machine.shows('export walt_boot_mode="network"');
    expect(machine.console).toMatch(/^union +\d+/m);
    await askNode('127.0.0.1', 'PING', { port: ports.node });

    await server.close();
    ({ server, next } = await serve());
    await machine.during(next(booted));

    await askNode('127.0.0.1', 'REBOOT', { port: ports.node });
    await machine.exited;
    await server.close();
  });

  it('show what failed, give a shell to who asks, and reboot', async () => {
    // The root cannot be moved away from the kernel's first file system: a boot that fails half way.
    machine = new Machine({ kernel, initrd, arguments: 'rdinit=/bin/walt-init' });
    await machine.shows('(or press <ENTER> now for a shell)');
    expect(machine.console).toContain(
      '>>> The step "Switching to rootfs..." of walt-init failed (exit code 1).',
    );
    machine.type('\n');
    await machine.shows('built-in shell');
    machine.type('echo answer $((6 * 7))\n');
    await machine.shows('answer 42');
    machine.type('exit\n');
    await machine.exited;
    expect(machine.console).toContain('>>> Rebooting: "Switching to rootfs..." failed.');
  });

  it('the initrd of ours says what it misses', async () => {
    machine = new Machine({
      kernel,
      initrd: join(root, 'boot/pc-x86-64/initrd'),
      arguments:
        'ip=192.0.2.2:192.0.2.1::255.255.255.0:n::off BOOTIF=01-52-54-00-00-00-01 nfsroot=192.0.2.1:/fs,vers=3',
    });
    await machine.exited;
    expect(machine.console).toContain('>>> Issue detected!               <<<');
    expect(machine.console).toContain('>>> initrd: no network interface with address 52-54-00-00-00-01');
  });
});
