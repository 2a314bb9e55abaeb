import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { BootyardError } from '../errors.ts';
import { type DependencyTable, moduleNames, parseDependencies } from './kernel-modules.ts';
import { filesBelow, readText, type InitrdTree } from './initrd-tree.ts';

/** Modules of an image that an initrd needs: paths relative to `/lib/modules/<release>/`. */
export interface ModuleSet {
  release: string;
  files: Map<string, Buffer>;
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
  const set: ModuleSet = { release, files: new Map(), dependencies: '', names: [] };
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
  set.files.set(plainName(path), unpacked(path, tree.readFile(inode)));
  set.dependencies += `${plainName(path)}:${needs.map((need) => ` ${plainName(need)}`).join('')}\n`;
  for (const need of needs) addModule(tree, folder, need, known, set);
}

/** Modules are stored plain: the small busybox of an initrd need not know how the distribution compresses them. */
function unpacked(path: string, content: Buffer): Buffer {
  if (path.endsWith('.gz')) return gunzipSync(content);
  if (path.endsWith('.zst')) return zstdDecompressSync(content);
  return content;
}

function plainName(path: string): string {
  return path.replace(/\.(gz|zst)$/, '');
}
