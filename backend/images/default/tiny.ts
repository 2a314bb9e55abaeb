import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianSources, PrivateApt } from './apt.ts';
import { FolderTree } from './folder-tree.ts';
import {
  contentKey,
  imageLabels,
  installBootScripts,
  keepTar,
  MODEL,
  normalizeModes,
  packRoot,
  recipeFolder,
} from './recipe.ts';
import type { BuildOptions, BuiltImage } from './recipe.ts';
import { run, type RunOptions } from './run.ts';

const NAME = 'pc-x86-64-tiny';
const KERNEL = 'linux-image-cloud-amd64';
const PACKAGES = ['busybox-static', 'dropbear-bin', 'libc6', 'libcrypt1', 'libgmp10', 'libtomcrypt1'].concat([
  'libtommath1',
  'zlib1g',
]);

/** Modules that a node of this image may want, besides those that they depend on. */
const MODULES = [
  'virtio_pci',
  'virtio_net',
  'virtio_blk',
  'virtio_scsi',
  'virtio_rng',
  'virtio_balloon',
].concat(
  ['sd_mod', 'ext4', 'nfs', 'nfsv3', 'nfsv4', 'overlay', 'nbd', 'vfat', 'nls_cp437', 'nls_ascii', 'loop'],
  ['squashfs', 'tun', 'bridge', 'veth', 'crc32c_generic', 'crc32c_intel'],
);
/** Parts of the packages that the image takes; all else (documentation, other libraries) stays out. */
const KEPT = ['bin/busybox', 'lib64', 'usr/sbin/dropbear', 'usr/bin/dropbearkey', 'usr/bin/dbclient'];
const LIBRARIES = ['libc.so.6', 'libcrypt.so.1', 'libz.so.1', 'libtomcrypt.so.1', 'libtommath.so.1'].concat([
  'libgmp.so.10',
  'ld-linux-x86-64.so.2',
  'libnss_files.so.2',
]);

const FOLDERS = [
  'bin',
  'boot',
  'dev',
  'etc/dropbear',
  'lib',
  'local',
  'mnt',
  'opt',
  'persist',
  'proc',
  'run',
].concat(['sbin', 'srv', 'sys', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/local/bin', 'var/log']);
/** Grows when this file makes something else of the same inputs: tars of before are then not used again. */
const RECIPE = 'tiny 2';

/**
 * Builds the tiny image: Debian's kernel, busybox and dropbear. Takes seconds, needs no privilege. The tar stays in
 * `workFolder` and is used again as long as recipe and package versions are the same.
 */
export async function buildTiny(options: BuildOptions): Promise<BuiltImage> {
  const programs: RunOptions = { signal: options.signal, log: options.log };
  mkdirSync(options.workFolder, { recursive: true });
  const scratch = mkdtempSync(join(options.workFolder, 'tiny-'));
  try {
    options.progress('Reading the package lists');
    const apt = new PrivateApt(join(scratch, 'apt'), programs);
    await apt.update(await debianSources(programs));
    const packages = [...PACKAGES, await apt.target(KERNEL)];
    const folders = [recipeFolder('tiny'), recipeFolder('boot'), recipeFolder('../initrd')];
    const key = contentKey(folders, [
      RECIPE,
      ...MODULES,
      ...LIBRARIES,
      ...KEPT,
      ...FOLDERS,
      ...(await apt.versions(packages)),
    ]);
    const tar = join(options.workFolder, `${NAME}-${key}.tar`);
    if (!existsSync(tar)) {
      await buildRoot(scratch, packages, apt, options, programs);
      options.progress('Packing the root file system');
      await packRoot(join(scratch, 'root'), join(scratch, 'image.tar'), programs);
      keepTar(join(scratch, 'image.tar'), options.workFolder, NAME, tar);
    }
    return { name: NAME, tar, labels: imageLabels(NAME) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function buildRoot(
  scratch: string,
  packages: readonly string[],
  apt: PrivateApt,
  options: BuildOptions,
  programs: RunOptions,
): Promise<void> {
  const archives = join(scratch, 'archives');
  const unpacked = join(scratch, 'unpacked');
  const root = join(scratch, 'root');
  options.progress(`Downloading ${packages.length} packages`);
  await apt.download(packages, archives);
  options.progress('Unpacking');
  for (const name of readdirSync(archives))
    await run('dpkg-deb', ['-x', join(archives, name), unpacked], programs);
  makeFolders(root);
  takeFiles(unpacked, root);
  options.progress('Choosing kernel modules');
  await takeKernel(unpacked, root, programs);
  cpSync(recipeFolder('tiny'), root, { recursive: true });
  linkApplets(
    root,
    await run(join(root, 'bin/busybox'), ['--list-full'], { ...programs, log: () => undefined }),
  );
  installBootScripts(root);
  options.progress('Making the initrd');
  const initrd = options.makeInitrd(new FolderTree(root), { kernel: `/boot/${MODEL}/kernel` });
  writeFileSync(join(root, 'boot', MODEL, 'initrd'), initrd);
  normalizeModes(root, ['etc/init.d/rcS']);
  for (const name of ['root', 'root/.ssh']) chmodSync(join(root, name), 0o700);
  chmodSync(join(root, 'tmp'), 0o1777);
}

function makeFolders(root: string): void {
  for (const name of FOLDERS) mkdirSync(join(root, name), { recursive: true });
  mkdirSync(join(root, 'root/.ssh'), { recursive: true });
  mkdirSync(join(root, 'tmp'));
  symlinkSync('../run', join(root, 'var/run'));
  symlinkSync('../tmp', join(root, 'var/tmp'));
  symlinkSync('/proc/mounts', join(root, 'etc/mtab'));
}

function takeFiles(unpacked: string, root: string): void {
  for (const name of KEPT) {
    if (existsSync(join(unpacked, name)))
      cpSync(join(unpacked, name), join(root, name), { recursive: true, verbatimSymlinks: true });
  }
  for (const folder of ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu']) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of LIBRARIES) {
      if (existsSync(join(unpacked, folder, name)))
        copyFileSync(join(unpacked, folder, name), join(root, folder, name));
    }
  }
}

/** The kernel, and of its modules those of `MODULES` with what they need; modules.dep and its kin are made anew. */
async function takeKernel(unpacked: string, root: string, programs: RunOptions): Promise<void> {
  const [release = ''] = readdirSync(join(unpacked, 'lib/modules'));
  const source = join(unpacked, 'lib/modules', release);
  const target = join(root, 'lib/modules', release);
  const busybox = join(unpacked, 'bin/busybox');
  mkdirSync(join(root, 'boot', MODEL), { recursive: true });
  cpSync(join(unpacked, `boot/vmlinuz-${release}`), join(root, 'boot', MODEL, 'kernel'));
  await run(busybox, ['depmod', '-b', unpacked, release], programs);
  const needs = readDependencies(join(source, 'modules.dep'));
  for (const file of withDependencies(MODULES, needs)) cpSync(join(source, file), join(target, file));
  for (const name of ['modules.builtin', 'modules.order']) cpSync(join(source, name), join(target, name));
  await run(busybox, ['depmod', '-b', root, release], programs);
}

function readDependencies(file: string): Map<string, string[]> {
  const lines = readFileSync(file, 'latin1').split('\n');
  return new Map(
    lines
      .map((line) => line.split(':', 2))
      .filter(([path]) => path !== undefined && path !== '')
      .map(([path = '', needs = '']) => [path, needs.split(' ').filter((need) => need !== '')]),
  );
}

function withDependencies(
  names: readonly string[],
  needs: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  const wanted = new Set(names);
  const files = new Set<string>();
  for (const [path, needed] of needs) {
    const name = path
      .slice(path.lastIndexOf('/') + 1)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_');
    if (!wanted.has(name)) continue;
    for (const file of [path, ...needed]) files.add(file);
  }
  return files;
}

/** A link for each busybox command that no other program provides. */
function linkApplets(root: string, list: string): void {
  for (const path of list.split('\n').filter((line) => line !== '')) {
    const link = join(root, path);
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link) && path !== 'linuxrc') symlinkSync('/bin/busybox', link);
  }
}
