import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { writeCpio } from '../../backend/boot/initrd-cpio.ts';
import { elfNeeds } from '../../backend/boot/initrd-elf.ts';
import { makeInitrd, type InitrdOptions, type InitrdTree } from '../../backend/boot/initrd.ts';

/** A tree of paths and contents; a folder is whatever has something below it. */
class MapTree implements InitrdTree {
  readonly #files: Map<string, Buffer>;
  readonly #paths: string[];

  constructor(files: Record<string, string | Buffer>) {
    this.#files = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
    this.#paths = [...this.#files.keys()];
    for (const path of this.#paths) {
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (parent !== '' && !this.#paths.includes(parent)) this.#paths.push(parent);
    }
  }
  lookupPath(path: string): number {
    return this.#paths.indexOf(path) + 1;
  }
  children(inode: number): { name: Buffer; inode: number }[] {
    const folder = `${this.#paths[inode - 1]}/`;
    return this.#paths
      .filter((path) => path.startsWith(folder) && !path.slice(folder.length).includes('/'))
      .map((path) => ({ name: Buffer.from(path.slice(folder.length)), inode: this.lookupPath(path) }));
  }
  stat(inode: number): { type: string; size: number } {
    const content = this.#files.get(this.#paths[inode - 1] ?? '');
    return { type: content ? 'file' : 'directory', size: content?.length ?? 0 };
  }
  readFile(inode: number): Buffer {
    return this.#files.get(this.#paths[inode - 1] ?? '') ?? Buffer.alloc(0);
  }
}

const MODULES = '/lib/modules/6.1.0-test';
function image(changes: Record<string, string | Buffer | undefined> = {}): MapTree {
  const files: Record<string, string | Buffer | undefined> = {
    '/boot/pc-x86-64/kernel': kernel('6.1.0-test (someone@somewhere) #1'),
    '/bin/busybox': 'static busybox',
    [`${MODULES}/modules.builtin`]: 'kernel/net/packet/af_packet.ko\n',
    [`${MODULES}/modules.dep`]:
      'kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko\nkernel/drivers/virtio/virtio.ko:\n' +
      'kernel/drivers/net/virtio_net.ko: kernel/drivers/virtio/virtio.ko\n' +
      'kernel/fs/nfs/nfs.ko.gz: kernel/net/sunrpc.ko\nkernel/fs/nfs/nfsv3.ko: kernel/fs/nfs/nfs.ko.gz kernel/net/sunrpc.ko\n' +
      'kernel/net/sunrpc.ko:\nkernel/fs/other.ko:\n',
    [`${MODULES}/kernel/drivers/virtio/virtio.ko`]: 'virtio',
    [`${MODULES}/kernel/drivers/virtio/virtio_pci.ko`]: 'virtio_pci',
    [`${MODULES}/kernel/drivers/net/virtio_net.ko`]: 'virtio_net',
    [`${MODULES}/kernel/fs/nfs/nfs.ko.gz`]: gzipSync('nfs'),
    [`${MODULES}/kernel/fs/nfs/nfsv3.ko`]: 'nfsv3',
    [`${MODULES}/kernel/net/sunrpc.ko`]: 'sunrpc',
    [`${MODULES}/kernel/fs/other.ko`]: 'other',
    ...changes,
  };
  return new MapTree(
    Object.fromEntries(
      Object.entries(files).filter((entry): entry is [string, string | Buffer] => entry[1] !== undefined),
    ),
  );
}

/** The start of a bzImage: signature, and the place of the version text. */
function kernel(version: string): Buffer {
  const header = Buffer.alloc(0x400);
  header.write('HdrS', 0x202, 'latin1');
  header.writeUInt16LE(0x100, 0x20e);
  header.write(`${version}\0`, 0x300, 'latin1');
  return header;
}

/** What an independent reader of the format sees. */
function listed(archive: Buffer): string[] {
  return execFileSync('/bin/busybox', ['cpio', '-t', '--quiet'], { input: archive, encoding: 'utf8' })
    .trim()
    .split('\n');
}
function extracted(archive: Buffer, path: string): string {
  return execFileSync(
    '/bin/busybox',
    ['sh', '-c', 'd=$(mktemp -d); cd $d; cpio -idm 2>/dev/null; cat "$1"; rm -rf $d', 'sh', path],
    {
      input: archive,
      encoding: 'latin1',
    },
  );
}

describe('writeCpio', () => {
  it('makes an archive that another reader unpacks', () => {
    const archive = writeCpio([
      { type: 'directory', path: 'a', mode: 0o755 },
      { type: 'file', path: 'a/odd', mode: 0o640, content: Buffer.from('abc') },
      { type: 'symlink', path: 'link', target: 'a/odd' },
    ]);
    const details = execFileSync('/bin/busybox', ['cpio', '-tv', '--quiet'], {
      input: archive,
      encoding: 'utf8',
    });
    expect(details).toMatch(/drwxr-xr-x .* a\n-rw-r----- .* 3 .* a\/odd\nlrwxrwxrwx .* link -> a\/odd\n/);
    expect(extracted(archive, 'link')).toBe('abc');
  });
});

const KERNEL = '/boot/pc-x86-64/kernel';
function initrdOf(tree: InitrdTree, options: Partial<InitrdOptions> = {}): Buffer {
  return makeInitrd(tree, { kernel: KERNEL, ...options });
}

describe('makeInitrd', () => {
  it('holds init, busybox and the needed modules with what they depend on', () => {
    const names = listed(initrdOf(image()));
    const modules = names.filter((name) => name.endsWith('.ko')).map((name) => name.slice(MODULES.length));
    expect(modules.sort()).toEqual(
      [
        'drivers/net/virtio_net',
        'drivers/virtio/virtio',
        'drivers/virtio/virtio_pci',
        'fs/nfs/nfs',
        'fs/nfs/nfsv3',
      ]
        .concat(['net/sunrpc'])
        .map((name) => `kernel/${name}.ko`),
    );
    expect(names).toEqual(
      expect.arrayContaining(['init', 'bin/busybox', 'bin/sh', 'dev/console', 'proc', 'root']),
    );
    for (const name of names.filter((path) => path.includes('/'))) {
      expect(names.indexOf(name.slice(0, name.lastIndexOf('/')))).toBeLessThan(names.indexOf(name));
    }
  });

  it('stores compressed modules plain and says so in modules.dep', () => {
    const initrd = initrdOf(image());
    expect(extracted(initrd, `${MODULES.slice(1)}/kernel/fs/nfs/nfs.ko`)).toBe('nfs');
    expect(extracted(initrd, `${MODULES.slice(1)}/modules.dep`)).toContain(
      'kernel/fs/nfs/nfs.ko: kernel/net/sunrpc.ko\n',
    );
    expect(extracted(initrd, 'etc/modules')).toBe('virtio_pci virtio_net nfs nfsv3\n');
  });

  const packers: [string, (content: Buffer) => Buffer][] = [
    ['gz', gzipSync],
    ['zst', zstdCompressSync],
    ['xz', (input) => execFileSync('xz', ['-0', '-c'], { input, maxBuffer: 1 << 28 })],
  ];
  /** The image with a virtio.ko that is compressed in some way. */
  function packedAs(kind: string, content: Buffer): MapTree {
    const path = `kernel/drivers/virtio/virtio.ko.${kind}`;
    const others = 'kernel/fs/nfs/nfs.ko:\nkernel/fs/nfs/nfsv3.ko:\n';
    return image({
      [`${MODULES}/modules.dep`]: `kernel/drivers/net/virtio_net.ko: ${path}\n${path}:\n${others}`,
      [`${MODULES}/kernel/fs/nfs/nfs.ko`]: 'nfs',
      [`${MODULES}/${path}`]: content,
    });
  }

  it.each(packers)('unpacks modules compressed as %s', (kind, pack) => {
    const initrd = initrdOf(packedAs(kind, pack(Buffer.from('the module'))));
    const path = `${MODULES.slice(1)}/kernel/drivers/virtio/virtio.ko`;
    expect(extracted(initrd, path)).toBe('the module');
  });

  it.each(packers)('refuses bombs and damage in modules compressed as %s', (kind, pack) => {
    const bomb = pack(Buffer.alloc((64 << 20) + 1));
    expect(bomb.length).toBeLessThan(1 << 20);
    expect(() => initrdOf(packedAs(kind, bomb))).toThrow(`virtio.ko.${kind}: one has more than 64 MB`);
    const bad = pack(Buffer.from('the module '.repeat(99))).fill(0xff, 8);
    expect(() => initrdOf(packedAs(kind, bad))).toThrow(`virtio.ko.${kind} of the image cannot be unpacked`);
  });

  it('refuses modules that are too many', () => {
    const large = gzipSync(Buffer.alloc(60 << 20));
    const changes = Object.fromEntries(
      ['virtio_pci', 'virtio_net', 'nfs'].map((name) => [`${MODULES}/kernel/${name}.ko.gz`, large]),
    );
    const dep = `kernel/virtio_pci.ko.gz:\nkernel/virtio_net.ko.gz:\nkernel/nfs.ko.gz:\nkernel/fs/nfs/nfsv3.ko:\n`;
    expect(() => initrdOf(image({ ...changes, [`${MODULES}/modules.dep`]: dep }))).toThrow(
      'all together more than 128 MB',
    );
  });

  it('is the same for the same image, compressed or not', () => {
    expect(initrdOf(image())).toEqual(initrdOf(image()));
    expect(gunzipSync(initrdOf(image(), { gzip: true }))).toEqual(initrdOf(image()));
  });

  it('takes the libraries of a busybox that needs them', () => {
    const busybox = readFileSync('/bin/sh');
    const { interpreter = '', libraries = [] } = elfNeeds(busybox) ?? {};
    const [library = ''] = libraries;
    const tree = image({
      '/bin/busybox': busybox,
      [interpreter]: 'loader',
      [`/usr/lib/${library}`]: 'library',
    });
    expect(listed(initrdOf(tree))).toEqual(
      expect.arrayContaining([interpreter.slice(1), `usr/lib/${library}`]),
    );
    expect(() => initrdOf(image({ '/bin/busybox': busybox, [interpreter]: 'loader' }))).toThrow(
      `needs ${library}`,
    );
  });

  it.each([
    [{ '/bin/busybox': undefined }, 'The image has no /bin/busybox'],
    [{ '/boot/pc-x86-64/kernel': kernel('6.9.9 x') }, 'kernel 6.9.9 but no /lib/modules/6.9.9'],
    [{ [`${MODULES}/kernel/net/sunrpc.ko`]: undefined }, 'sunrpc.ko is in modules.dep but not in the image'],
    [{ [`${MODULES}/modules.dep`]: undefined }, 'run depmod in the image'],
    [{ [`${MODULES}/modules.dep`]: 'kernel/fs/other.ko:\n' }, 'has no virtio_net, neither as a module'],
  ])('says what is wrong with an image: %#', (changes, sentence) => {
    expect(() => initrdOf(image(changes))).toThrow(sentence);
  });

  it('reads the release of an arm64 kernel from its banner', () => {
    const arm = Buffer.alloc(4096);
    arm.write('ARM\x64', 56, 'latin1');
    arm.write('Linux version 6.9.9-arm64 (builder)', 2000, 'latin1');
    expect(() => initrdOf(image({ [KERNEL]: arm }))).toThrow('kernel 6.9.9-arm64 but no');
  });

  it('finds the modules of a kernel that does not name itself when there is only one choice', () => {
    expect(listed(initrdOf(image({ '/boot/pc-x86-64/kernel': 'not a bzImage' })))).toContain('init');
  });
});

describe('elfNeeds', () => {
  it('reads what the system’s own tools say', () => {
    const needed = execFileSync('sh', ['-c', 'ldd /bin/bash'], { encoding: 'utf8' });
    const { libraries = [] } = elfNeeds(readFileSync('/bin/bash')) ?? {};
    expect(libraries.length).toBeGreaterThan(0);
    for (const name of libraries) expect(needed).toContain(name);
  });

  it('survives files that lie', () => {
    const good = readFileSync('/bin/true');
    for (let cut = 0; cut < 2000; cut++) elfNeeds(good.subarray(0, cut));
    for (let seed = 1; seed < 3000; seed++) {
      const bad = Buffer.from(good);
      for (let change = 0; change < 4; change++)
        bad[(seed * 7919 + change * 104729) % 1024] = (seed * 31 + change) % 256;
      elfNeeds(bad);
    }
    expect(elfNeeds(Buffer.from('#!/bin/sh'))).toBeUndefined();
  });
});
