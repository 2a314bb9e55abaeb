import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BootyardError } from '../errors.ts';
import { guestFolder } from '../guest/injected.ts';
import { writeCpio, type CpioEntry } from './initrd-cpio.ts';
import { elfNeeds } from './initrd-elf.ts';
import { neededModules } from './initrd-modules.ts';
import { bannerRelease, bzImageRelease, kernelKind } from './kernel-file.ts';
import { filesBelow, readIfFile, type InitrdTree } from './initrd-tree.ts';

export type { InitrdTree } from './initrd-tree.ts';

export interface InitrdOptions {
  /** path of the kernel in the image; it says which modules belong to it */
  kernel: string;
  /** Smaller, but slower to start: the guest has to unpack it. Default: false. */
  gzip?: boolean;
}

/** Commands that our init uses; the links serve a busybox whose shell looks for programs in PATH. */
const APPLETS = [
  'cat',
  'cttyhack',
  'echo',
  'hostname',
  'ifconfig',
  'insmod',
  'mkdir',
  'modprobe',
  'mount',
].concat(['reboot', 'route', 'setsid', 'sh', 'sleep', 'switch_root', 'tr', 'ls', 'dmesg']);
/** Where shared libraries of an image are looked for. */
export const LIBRARY_FOLDERS = ['/lib', '/lib64', '/usr/lib', '/usr/lib64'].concat(
  ['x86_64', 'aarch64'].flatMap((name) => [`/lib/${name}-linux-gnu`, `/usr/lib/${name}-linux-gnu`]),
);

/**
 * An initrd for an image: the image's busybox, the modules that a node needs to mount its NFS root, and a short init of
 * ours. Throws a sentence when the image lacks busybox or such modules.
 */
export function makeInitrd(tree: InitrdTree, options: InitrdOptions): Buffer {
  const modules = neededModules(tree, kernelRelease(tree, options.kernel));
  const folders = new Folders();
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys']) folders.add(folder);
  const files: CpioEntry[] = [
    { type: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { type: 'file', path: 'init', mode: 0o755, content: readFileSync(join(guestFolder(), 'initrd/init')) },
    { type: 'file', path: 'etc/modules', mode: 0o644, content: Buffer.from(`${modules.names.join(' ')}\n`) },
    ...busybox(tree),
    ...APPLETS.map((name): CpioEntry => ({ type: 'symlink', path: `bin/${name}`, target: 'busybox' })),
  ];
  const moduleFolder = `lib/modules/${modules.release}`;
  for (const [path, content] of modules.files) {
    files.push({ type: 'file', path: `${moduleFolder}/${path}`, mode: 0o644, content });
  }
  files.push({
    type: 'file',
    path: `${moduleFolder}/modules.dep`,
    mode: 0o644,
    content: Buffer.from(modules.dependencies),
  });
  for (const { path } of files) folders.addParents(path);
  const archive = writeCpio([...folders.entries(), ...files]);
  return options.gzip ? gzipSync(archive, { level: 9 }) : archive;
}

/** The image's busybox, with its loader and libraries when it is not static. */
function busybox(tree: InitrdTree): CpioEntry[] {
  const content = readIfFile(tree, '/bin/busybox');
  if (!content) {
    throw new BootyardError(
      'initrd.noBusybox',
      'The image has no /bin/busybox, which every WalT image needs: install the package busybox-static in the image.',
    );
  }
  const entries: CpioEntry[] = [{ type: 'file', path: 'bin/busybox', mode: 0o755, content }];
  const { interpreter, libraries } = elfNeeds(content) ?? { libraries: [] };
  if (interpreter) entries.push(libraryAt(tree, interpreter));
  const pending = [...libraries];
  const done = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (done.has(name)) continue;
    done.add(name);
    const entry = libraryAt(tree, findLibrary(tree, name));
    entries.push(entry);
    if (entry.type === 'file') pending.push(...(elfNeeds(Buffer.from(entry.content))?.libraries ?? []));
  }
  return entries.filter((entry, index) => entries.findIndex(({ path }) => path === entry.path) === index);
}

function findLibrary(tree: InitrdTree, name: string): string {
  const found = LIBRARY_FOLDERS.map((folder) => `${folder}/${name}`).find(
    (path) => tree.lookupPath(path) !== 0,
  );
  if (found) return found;
  throw new BootyardError(
    'initrd.missingLibrary',
    `/bin/busybox of the image needs ${name}, which is not in ${LIBRARY_FOLDERS.join(', ')}: install busybox-static in the image.`,
    { library: name },
  );
}

function libraryAt(tree: InitrdTree, path: string): CpioEntry {
  const content = readIfFile(tree, path);
  if (!content) {
    throw new BootyardError(
      'initrd.missingLibrary',
      `/bin/busybox of the image needs ${path}, which is missing.`,
      {
        library: path,
      },
    );
  }
  return { type: 'file', path: path.slice(1), mode: 0o755, content };
}

/**
 * The release that a kernel names: in the header of a bzImage, in the banner of an arm64 Image, which is not compressed.
 * For other kernels the only folder in /lib/modules.
 */
function kernelRelease(tree: InitrdTree, path: string): string {
  const kernel = readIfFile(tree, path) ?? Buffer.alloc(0);
  const isArm = kernelKind(kernel)?.format === 'Image';
  const release = isArm ? bannerRelease(kernel) : bzImageRelease(kernel);
  if (release !== undefined) return release;
  const [only, ...others] = filesBelow(tree, '/lib/modules');
  if (only && others.length === 0) return only;
  throw new BootyardError(
    'initrd.kernelRelease',
    `${path} of the image does not say which kernel it is, and /lib/modules holds ${only ? 'several' : 'none'}: put an initrd into the image.`,
    { path },
  );
}

/** Folders of an archive, parents before children. */
class Folders {
  readonly #paths = new Set<string>();

  add(path: string): void {
    this.addParents(path);
    this.#paths.add(path);
  }
  addParents(path: string): void {
    const slash = path.lastIndexOf('/');
    if (slash > 0) this.add(path.slice(0, slash));
  }
  entries(): CpioEntry[] {
    return [...this.#paths].map((path) => ({ type: 'directory', path, mode: 0o755 }));
  }
}
