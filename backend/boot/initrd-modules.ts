import { spawnSync } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { type DependencyTable, moduleNames, parseDependencies } from './kernel-modules.ts';
import { filesBelow, readText, type InitrdTree } from './initrd-tree.ts';

/** Modules of an image that an initrd needs: paths relative to `/lib/modules/<release>/`. */
export interface ModuleSet {
  release: string;
  files: Map<string, Buffer>;
  /** of all files */
  bytes: number;
  /** lines of modules.dep for these files */
  dependencies: string;
  /** names for modprobe, in order; what the kernel has built in is not among them */
  names: string[];
}

/** Without these no node reaches its root file system. The first is what the virtual network card needs. */
export const REQUIRED = ['virtio_net', 'nfs', 'nfsv3'];
const WANTED = ['virtio_pci', 'virtio_net', 'af_packet', 'nfs', 'nfsv3', 'overlay'];

/**
 * The modules of the image's kernel, with all that they depend on according to modules.dep.
 * Throws when the image has no modules, or has neither a module nor a built-in for what a boot needs.
 */
export function neededModules(tree: InitrdTree, release: string): ModuleSet {
  const folder = `/lib/modules/${release}`;
  if (tree.lookupPath(folder) === 0) {
    throw new BootyardError(
      'initrd.noModules',
      `The image has kernel ${release} but no ${folder}: install the kernel's modules, or an initrd, in the image.`,
      { release },
    );
  }
  const known = dependencyTable(tree, folder);
  const builtin = moduleNames(readText(tree, `${folder}/modules.builtin`));
  const set: ModuleSet = { release, files: new Map(), bytes: 0, dependencies: '', names: [] };
  for (const name of WANTED) {
    const path = known.byName.get(name);
    if (path) {
      set.names.push(name);
      addModule(tree, folder, path, known, set);
    } else if (REQUIRED.includes(name) && !builtin.has(name)) {
      throw new BootyardError(
        'initrd.missingModule',
        `Kernel ${release} of the image has no ${name}, neither as a module in ${folder} nor built in: a node could not mount its root.`,
        { release, module: name },
      );
    }
  }
  return set;
}

function dependencyTable(tree: InitrdTree, folder: string): DependencyTable {
  const table = parseDependencies(readText(tree, `${folder}/modules.dep`));
  if (table.needs.size > 0) return table;
  if (filesBelow(tree, `${folder}/kernel`).length > 0) {
    throw new BootyardError(
      'initrd.noDependencies',
      `${folder}/modules.dep of the image is missing or empty: run depmod in the image.`,
    );
  }
  return table;
}

function addModule(
  tree: InitrdTree,
  folder: string,
  path: string,
  known: DependencyTable,
  set: ModuleSet,
): void {
  if (set.files.has(plainName(path))) return;
  const inode = tree.lookupPath(`${folder}/${path}`);
  if (inode === 0) {
    throw new BootyardError(
      'initrd.missingModule',
      `${folder}/${path} is in modules.dep but not in the image.`,
      {
        path,
      },
    );
  }
  const needs = known.needs.get(path) ?? [];
  if (tree.stat(inode).size > MAX_MODULE) throw hugeModules(path);
  const content = unpacked(path, tree.readFile(inode));
  set.bytes += content.length;
  if (set.bytes > MAX_MODULES) throw hugeModules(path);
  set.files.set(plainName(path), content);
  set.dependencies += `${plainName(path)}:${needs.map((need) => ` ${plainName(need)}`).join('')}\n`;
  for (const need of needs) addModule(tree, folder, need, known, set);
}

/** Bytes of one module, and of all that go into an initrd; a distribution's largest is a tenth of that. */
const MAX_MODULE = 64 << 20;
const MAX_MODULES = 128 << 20;

const unpackers: Record<string, (content: Buffer) => Buffer> = {
  gz: (content) => gunzipSync(content, { maxOutputLength: MAX_MODULE }),
  zst: (content) => zstdDecompressSync(content, { maxOutputLength: MAX_MODULE }),
  xz: unpackXz,
};

/** Modules are stored plain: the small busybox of an initrd need not know how the distribution compresses them. */
function unpacked(path: string, content: Buffer): Buffer {
  const unpack = unpackers[/\.ko\.(\w+)$/.exec(path)?.[1] ?? ''];
  if (!unpack) return content;
  try {
    return unpack(content);
  } catch (error) {
    const tooLarge = ['ERR_BUFFER_TOO_LARGE', 'ENOBUFS'].includes(systemCode(error) ?? '');
    if (tooLarge) throw hugeModules(path);
    throw new BootyardError(
      'initrd.badModule',
      `The module ${path} of the image cannot be unpacked (${messageOf(error)}): install the kernel's modules anew.`,
      { path },
    );
  }
}

function unpackXz(content: Buffer): Buffer {
  const { error, status, stdout, stderr } = spawnSync('xz', ['-dc'], {
    input: content,
    maxBuffer: MAX_MODULE,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.toString().split('\n')[0] || `xz ended with ${status}`);
  return stdout;
}

function hugeModules(path: string): BootyardError {
  return new BootyardError(
    'initrd.hugeModule',
    `The modules that an initrd needs are refused at ${path}: one has more than ${MAX_MODULE >> 20} MB, or all together more than ${MAX_MODULES >> 20} MB.`,
    { path },
  );
}

function plainName(path: string): string {
  return path.replace(/\.(gz|zst|xz)$/, '');
}
