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
import { hostArchitecture } from '../import-layout.ts';
import { debianSources, PrivateApt } from './apt.ts';
import { FolderTree } from './folder-tree.ts';
import {
  contentKey,
  imageLabels,
  installIpxeScripts,
  installUbootScript,
  keepTar,
  normalizeModes,
  packRoot,
  recipeFolder,
} from './recipe.ts';
import type { BuildOptions, BuiltImage } from './recipe.ts';
import { run, type RunOptions } from './run.ts';

/** What differs between the machines that the image is made for. */
interface TinyTarget {
  model: string;
  /** Debian's names for the processor: of packages, and of folders with libraries */
  architecture: string;
  libraries: string;
  loader: string;
  /** the serial line with a shell */
  console: string;
  /** the recipe folder of its boot scripts, and what puts them into the image */
  bootScripts: string;
  installBootScripts: (root: string, model: string) => void;
  /** files of the boot folder in which the server fills in its addresses */
  templates: readonly string[];
}
const pc: TinyTarget = {
  model: 'pc-x86-64',
  architecture: 'amd64',
  libraries: 'x86_64-linux-gnu',
  loader: 'ld-linux-x86-64.so.2',
  console: 'ttyS0',
  bootScripts: 'boot',
  installBootScripts: installIpxeScripts,
  templates: ['server-params.ipxe'],
};
const arm: TinyTarget = {
  model: 'qemu-arm-64',
  architecture: 'arm64',
  libraries: 'aarch64-linux-gnu',
  loader: 'ld-linux-aarch64.so.1',
  console: 'ttyAMA0',
  bootScripts: 'uboot',
  installBootScripts: installUbootScript,
  templates: [],
};

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
const KEPT = ['bin/busybox', 'usr/sbin/dropbear', 'usr/bin/dropbearkey', 'usr/bin/dbclient'].concat([
  'lib64',
  'lib/ld-linux-aarch64.so.1',
]);
const LIBRARIES = ['libc.so.6', 'libcrypt.so.1', 'libz.so.1', 'libtomcrypt.so.1', 'libtommath.so.1'].concat([
  'libgmp.so.10',
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
const RECIPE = 'tiny 3';

/**
 * Builds the tiny image: Debian's kernel, busybox and dropbear. Takes seconds, needs no privilege. The tar stays in
 * `workFolder` and is used again as long as recipe and package versions are the same.
 */
export function buildTiny(options: BuildOptions): Promise<BuiltImage> {
  return buildFor(pc, options);
}

/** The same for `qemu-arm-64`, on any host: no program of the image is run. */
export function buildArmTiny(options: BuildOptions): Promise<BuiltImage> {
  return buildFor(arm, options);
}

async function buildFor(target: TinyTarget, options: BuildOptions): Promise<BuiltImage> {
  const name = `${target.model}-tiny`;
  const programs: RunOptions = { signal: options.signal, log: options.log };
  mkdirSync(options.workFolder, { recursive: true });
  const scratch = mkdtempSync(join(options.workFolder, 'tiny-'));
  try {
    options.progress('Reading the package lists');
    const apt = new PrivateApt(join(scratch, 'apt'), target.architecture, programs);
    await apt.update(await debianSources(programs));
    const packages = [...PACKAGES, await apt.target(`linux-image-cloud-${target.architecture}`)];
    const folders = [recipeFolder('tiny'), recipeFolder(target.bootScripts), recipeFolder('../initrd')];
    const key = contentKey(folders, [
      RECIPE,
      JSON.stringify(target),
      ...MODULES,
      ...LIBRARIES,
      ...KEPT,
      ...FOLDERS,
      ...(await apt.versions(packages)),
    ]);
    const tar = join(options.workFolder, `${name}-${key}.tar`);
    if (!existsSync(tar)) {
      await buildRoot(target, { scratch, packages, apt, programs }, options);
      options.progress('Packing the root file system');
      await packRoot(join(scratch, 'root'), join(scratch, 'image.tar'), programs);
      keepTar(join(scratch, 'image.tar'), options.workFolder, name, tar);
    }
    return { name, tar, labels: imageLabels(name, target.model) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Workshop {
  scratch: string;
  packages: readonly string[];
  apt: PrivateApt;
  programs: RunOptions;
}

async function buildRoot(target: TinyTarget, shop: Workshop, options: BuildOptions): Promise<void> {
  const { scratch, packages, apt, programs } = shop;
  const unpacked = join(scratch, 'unpacked');
  const root = join(scratch, 'root');
  const boot = join(root, 'boot', target.model);
  options.progress(`Downloading ${packages.length} packages`);
  await apt.download(packages, join(scratch, 'archives'));
  options.progress('Unpacking');
  await unpack(join(scratch, 'archives'), unpacked, programs);
  const busybox = await runnableBusybox(shop, join(unpacked, 'bin/busybox'));
  makeFolders(root);
  takeFiles(target, unpacked, root);
  options.progress('Choosing kernel modules');
  mkdirSync(boot, { recursive: true });
  await takeKernel(unpacked, root, join(boot, 'kernel'), (words) => run(busybox, words, programs));
  cpSync(recipeFolder('tiny'), root, { recursive: true });
  adapt(target, root);
  linkApplets(root, await run(busybox, ['--list-full'], { ...programs, log: () => undefined }));
  target.installBootScripts(root, target.model);
  options.progress('Making the initrd');
  const initrd = options.makeInitrd(new FolderTree(root), { kernel: `/boot/${target.model}/kernel` });
  writeFileSync(join(boot, 'initrd'), initrd);
  normalizeModes(root, ['etc/init.d/rcS']);
  for (const name of ['root', 'root/.ssh']) chmodSync(join(root, name), 0o700);
  chmodSync(join(root, 'tmp'), 0o1777);
}

async function unpack(archives: string, folder: string, programs: RunOptions): Promise<void> {
  for (const name of readdirSync(archives))
    await run('dpkg-deb', ['-x', join(archives, name), folder], programs);
}

/**
 * A busybox that runs here, for depmod and for the list of its commands: that of the image, or when the image is for
 * another processor the same package for this one. Debian configures both alike.
 */
async function runnableBusybox({ scratch, apt, programs }: Workshop, own: string): Promise<string> {
  if (apt.isForHost) return own;
  const archives = join(scratch, 'host-archives');
  const unpacked = join(scratch, 'host');
  await apt.download([`busybox-static:${hostArchitecture()}`], archives);
  await unpack(archives, unpacked, programs);
  return join(unpacked, 'bin/busybox');
}

/** What of the recipe's files names the machine. */
function adapt(target: TinyTarget, root: string): void {
  const inittab = join(root, 'etc/inittab');
  writeFileSync(inittab, readFileSync(inittab, 'utf8').replace('ttyS0:', `${target.console}:`));
  const templates = target.templates.map((name) => `/boot/${target.model}/${name}`);
  mkdirSync(join(root, 'etc/walt'), { recursive: true });
  writeFileSync(join(root, 'etc/walt/image.spec'), `${JSON.stringify({ templates, features: {} })}\n`);
}

function makeFolders(root: string): void {
  for (const name of FOLDERS) mkdirSync(join(root, name), { recursive: true });
  mkdirSync(join(root, 'root/.ssh'), { recursive: true });
  mkdirSync(join(root, 'tmp'));
  symlinkSync('../run', join(root, 'var/run'));
  symlinkSync('../tmp', join(root, 'var/tmp'));
  symlinkSync('/proc/mounts', join(root, 'etc/mtab'));
}

function takeFiles({ libraries, loader }: TinyTarget, unpacked: string, root: string): void {
  for (const name of KEPT) {
    if (existsSync(join(unpacked, name)))
      cpSync(join(unpacked, name), join(root, name), { recursive: true, verbatimSymlinks: true });
  }
  for (const folder of [`lib/${libraries}`, `usr/lib/${libraries}`]) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of [...LIBRARIES, loader]) {
      if (existsSync(join(unpacked, folder, name)))
        copyFileSync(join(unpacked, folder, name), join(root, folder, name));
    }
  }
}

/** The kernel, and of its modules those of `MODULES` with what they need; modules.dep and its kin are made anew. */
async function takeKernel(
  unpacked: string,
  root: string,
  kernel: string,
  busybox: (words: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const [release = ''] = readdirSync(join(unpacked, 'lib/modules'));
  const source = join(unpacked, 'lib/modules', release);
  const target = join(root, 'lib/modules', release);
  cpSync(join(unpacked, `boot/vmlinuz-${release}`), kernel);
  await busybox(['depmod', '-b', unpacked, release]);
  const needs = readDependencies(join(source, 'modules.dep'));
  for (const file of withDependencies(MODULES, needs)) cpSync(join(source, file), join(target, file));
  for (const name of ['modules.builtin', 'modules.order']) cpSync(join(source, name), join(target, name));
  await busybox(['depmod', '-b', root, release]);
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
