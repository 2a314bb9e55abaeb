import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { writeCpio } from '../../../backend/boot/initrd-cpio.ts';
import type { Finding } from '../../../backend/boot/lint/finding.ts';
import { lintImage } from '../../../backend/boot/lint/linter.ts';
import { LayerFile } from '../../../backend/images/tree/layer-file.ts';
import { scanTarSync } from '../../../backend/images/tar/tar-scan.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { ImageTree, mergeLayers } from '../../../backend/images/tree/tree.ts';
import { file, folder, link, tarOf, testFolder } from '../images/support.ts';

export const PC = 'boot/pc-x86-64';
export const ARM = 'boot/qemu-arm-64';
export const RELEASE = '6.1.0-test';
export const MODULES = `lib/modules/${RELEASE}`;
const MODULE_PATHS = {
  overlay: 'kernel/fs/overlayfs/overlay.ko',
  nfs: 'kernel/fs/nfs/nfs.ko',
  nfsv3: 'kernel/fs/nfs/nfsv3.ko.xz',
  virtio_net: 'kernel/drivers/net/virtio_net.ko',
};
const APPLETS = (
  '[ [[ ash awk cat chmod chroot cp date dd df du echo find grep head ln ls mkdir mkfifo mknod mktemp modprobe mount mv nc ' +
  'pivot_root realpath reboot rm rmdir sed setsid sh sha256sum sleep sort stat tail tar timeout tr umount uname wc xargs xxd'
).split(' ');

/** The start of a bzImage for 64 bits. */
export function bzImage(release = RELEASE, flags = 1): Buffer {
  const kernel = Buffer.alloc(0x400);
  kernel.write('HdrS', 0x202, 'latin1');
  kernel.writeUInt16LE(0x100, 0x20e);
  kernel.writeUInt16LE(flags, 0x236);
  kernel.write(`${release} (somebody)\0`, 0x300, 'latin1');
  return kernel;
}

/** An unpacked arm64 kernel whose banner lies across the borders of chunks. */
export function armImage(release = RELEASE): Buffer {
  const kernel = Buffer.alloc(3 << 20);
  kernel.write('ARM\x64', 56, 'latin1');
  kernel.write(`Linux version ${release} (somebody)`, (1 << 20) - 10, 'latin1');
  return kernel;
}

/** A program with a table of applets, as busybox has it. */
export function busybox(applets: readonly string[] = APPLETS, machine = 62): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(machine, 18);
  return Buffer.concat([header, Buffer.from(`Usage: x\0\0${applets.join('\0')}\0\0after`, 'latin1')]);
}
export const appletsWithout = (...gone: string[]) => APPLETS.filter((name) => !gone.includes(name));

export function initrd(...names: string[]): Buffer {
  return writeCpio(
    names.map((path) => ({ type: 'file', path, mode: 0o644, content: Buffer.from('content') })),
  );
}
export const GOOD_INITRD = ['init', `${MODULES}/kernel/fs/nfs/nfs.ko`, `${MODULES}/nfsv3.ko.xz`].concat([
  `${MODULES}/virtio-net.ko.zst`,
]);

export const bytes = (path: string, content: Buffer, more: Partial<TarEntry> = {}): TarEntry => ({
  ...file(path),
  content,
  ...more,
});
export const program = (path: string, content = '#!/bin/sh\n'): TarEntry =>
  file(path, content, { mode: 0o755 });

/** An image in which no rule finds anything, by path. */
export function goodEntries(): Map<string, TarEntry> {
  const entries: TarEntry[] = [
    ...['bin', 'sbin', 'lib', 'lib64', 'etc', 'etc/ssh', 'boot', PC, 'usr', 'usr/sbin', 'root'].map((path) =>
      folder(path),
    ),
    file(`${PC}/start.ipxe`, '#!ipxe\nset node_model pc-x86-64\nchain /more.ipxe || echo none\n'),
    bytes(`${PC}/kernel`, bzImage()),
    bytes(`${PC}/initrd`, initrd(...GOOD_INITRD)),
    ...Object.values(MODULE_PATHS).map((path) => file(`${MODULES}/${path}`, 'module')),
    file(`${MODULES}/modules.dep`, `${Object.values(MODULE_PATHS).join(':\n')}:\n`),
    file(`${MODULES}/modules.builtin`, 'kernel/drivers/virtio/virtio-pci.ko\n'),
    { ...bytes('bin/busybox', busybox()), mode: 0o755 },
    link('bin/sh', 'busybox'),
    link('sbin/init', '../bin/busybox'),
    program('usr/sbin/sshd'),
    file('etc/ssh/sshd_config', 'PermitRootLogin prohibit-password\n'),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
  ];
  return new Map(entries.map((entry) => [entry.path, entry]));
}

export interface ImageChange {
  labels?: Record<string, string>;
  architecture?: string;
  sizeBytes?: number;
  /** paths, each with all that is below */
  remove?: string[];
  /** into the first layer */
  put?: TarEntry[];
  /** further layers */
  layers?: TarEntry[][];
  commands?: ReadonlySet<string> | null;
  signal?: AbortSignal;
  ramBytes?: number;
}

/** What the linter finds in the good image with a change. */
export async function lintChanged(change: ImageChange = {}): Promise<Finding[]> {
  const entries = goodEntries();
  for (const gone of change.remove ?? []) {
    for (const path of [...entries.keys()]) {
      if (path === gone || path.startsWith(`${gone}/`)) entries.delete(path);
    }
  }
  for (const entry of change.put ?? []) entries.set(entry.path, entry);
  return lintLayers([[...entries.values()], ...(change.layers ?? [])], change);
}

export async function lintLayers(
  layers: readonly TarEntry[][],
  change: ImageChange = {},
): Promise<Finding[]> {
  const home = testFolder();
  const files = layers.map((layer, at) => {
    const path = join(home, String(at));
    writeFileSync(path, tarOf([...layer]));
    return new LayerFile(path);
  });
  const indexes = files.map(({ fd, size }) => scanTarSync(fd, size));
  const tree = new ImageTree(1n, mergeLayers(indexes, 1n), files);
  onTestFinished(() => tree.close());
  const source = {
    labels: change.labels ?? { 'walt.node.models': 'pc-x86-64', 'walt.server.minversion': '4' },
    architecture: change.architecture ?? 'amd64',
    sizeBytes: change.sizeBytes ?? files.reduce((sum, { size }) => sum + size, 0),
    tree,
    layers: indexes,
  };
  const commands = new Set(['set', 'chain', 'reboot', 'echo', 'goto', 'isset']);
  const ipxeCommands = change.commands === null ? undefined : (change.commands ?? commands);
  return lintImage(source, {
    ipxeCommands,
    ramBytes: change.ramBytes ?? 2 ** 29,
    ...(change.signal ? { signal: change.signal } : {}),
  });
}

/** A row of a table: what is changed in the good image, and all that is then found: rule, path, part of the message. */
export type LintCase = [
  title: string,
  change: ImageChange,
  findings: [rule: string, path: string, part: string][],
];

/** Exactly these findings come, each a sentence with a fix. */
export async function expectCase([, change, wanted]: LintCase): Promise<void> {
  const found = await lintChanged(change);
  expect(found.map(({ rule, path }) => [rule, path]).toSorted(byText)).toEqual(
    wanted.map(([rule, path]) => [rule, path]).toSorted(byText),
  );
  for (const [rule, path, part] of wanted) {
    const hit = found.find((one) => one.rule === rule && one.path === path);
    expect(hit?.message).toContain(part);
    expect(hit?.message).toMatch(/\.$/);
    expect(hit?.fix).toMatch(/\.$/);
    expect(hit?.dockerfile ?? 'RUN x').toMatch(/^(RUN|LABEL|COPY) [^\n]+$/);
  }
}

const byText = (a: string[], b: string[]) => (a.join() < b.join() ? -1 : 1);
