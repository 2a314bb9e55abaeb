import { BootyardError } from '../../errors.ts';
import { EntryType, type LayerIndex } from './layer-index.ts';
import { atOnce, SLICE, type Steps } from './slices.ts';
import { Fattr, FATTR_SIZE, type TreeArrays } from './tree-arrays.ts';
import { shown } from '../tar/tar-path.ts';

/** What a name stands for while layers are merged. Hard links share one. */
export interface MergeInode {
  type: number;
  /** number in the base tree; 0 when it is new */
  readonly base: number;
  /** the layer and its entry that give the attributes; layer 0: the base tree or, when new, an implied directory */
  layer: number;
  entry: number;
  /** names that stand for it (files) */
  links: number;
  /** number in the new tree, given when it is flattened */
  number: number;
}
/** A name in a directory. */
export interface MergeName {
  readonly name: string;
  readonly parent: MergeName | undefined;
  readonly depth: number;
  readonly inode: MergeInode;
  /** last layer that put something here or below */
  layer: number;
  /** of a directory; undefined while the base tree's entries have not been needed */
  children: Map<string, MergeName> | undefined;
  /** its names are not those of the base tree */
  changed: boolean;
}

const WHITEOUT = '.wh.';
const META = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';
/** symbolic links that may be followed on the way to one path, as in Linux */
export const MAX_LINKS = 40;
/** directories below each other; no path of PATH_MAX bytes reaches deeper */
const MAX_DEPTH = 2048;
/** names that the layers of an image may make together, implied directories too */
const MAX_FILES = 1_000_000;

/**
 * Lays layers over each other, and over a finished tree if one is given; only the directories that a layer touches are
 * taken out of that. Rules: OCI image-spec 1.1, "layer.md" (change sets, whiteouts, opaque whiteouts); parents that are
 * symbolic links are followed inside the root, as container engines do.
 */
export class MergeTree {
  readonly root: MergeName;
  readonly baseInodes = new Map<number, MergeInode>();
  readonly #base: TreeArrays | undefined;
  readonly #limit: number;
  #made = 0;
  #layer = 0;
  #index: LayerIndex | undefined;
  readonly #indexes = new Map<number, LayerIndex>();

  constructor(base?: TreeArrays, limit = MAX_FILES) {
    this.#base = base;
    this.#limit = limit;
    const inode = base ? this.#baseInode(1) : newInode(EntryType.directory);
    this.root = newName('', undefined, inode, base ? undefined : new Map());
    this.root.changed = !base;
  }

  /** The layers that were applied, by number. */
  get indexes(): ReadonlyMap<number, LayerIndex> {
    return this.#indexes;
  }

  /** Puts a layer on top. `layer` is its number in the tree that comes out; numbers ascend. */
  apply(index: LayerIndex, layer: number): void {
    atOnce(this.applySteps(index, layer));
  }

  /** The same, bit by bit. */
  *applySteps(index: LayerIndex, layer: number): Steps<void> {
    this.#layer = layer;
    this.#index = index;
    this.#indexes.set(layer, index);
    for (let entry = 0; entry < index.count; entry++) {
      this.#applyEntry(index, entry);
      if (entry % SLICE === SLICE - 1) yield;
    }
  }

  #applyEntry(index: LayerIndex, entry: number): void {
    const path = index.path(entry);
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const folder = slash === -1 ? '' : path.slice(0, slash);
    if (path.includes(WHITEOUT) && this.#whiteout(folder, name)) return;
    if (path === '') {
      this.#describe(this.root, entry);
      return;
    }
    const parent = this.#folder(folder, true);
    if (!parent) throw this.#error(path, 'lies below something that is not a directory');
    const type = index.arrays.type[entry] ?? EntryType.file;
    if (type === EntryType.hardlink) this.#link(parent, name, index.link(entry), path);
    else this.#put(parent, name, type, entry);
  }

  /** True when the entry was a mark for the merge and not a file. */
  #whiteout(folder: string, name: string): boolean {
    if (name === OPAQUE) {
      const directory = this.#folder(folder, false);
      if (directory) this.#clearLower(directory);
      return true;
    }
    // Other marks of this form are aufs' own bookkeeping.
    if (name.startsWith(META) || folder.split('/').some((part) => part.startsWith(META))) return true;
    if (!name.startsWith(WHITEOUT) || name === WHITEOUT) return false;
    const directory = this.#folder(folder, false);
    const victim = directory && this.child(directory, name.slice(WHITEOUT.length));
    if (directory && victim) this.#removeLower(directory, victim);
    return true;
  }

  /** Removes what lower layers put at and below `name`; what the current layer put there stays. */
  #removeLower(directory: MergeName, name: MergeName): void {
    if (name.layer !== this.#layer) this.#remove(directory, name);
    else if (name.inode.type === EntryType.directory) this.#clearLower(name);
  }
  #clearLower(directory: MergeName): void {
    for (const name of this.childrenOf(directory).values()) this.#removeLower(directory, name);
  }

  #put(parent: MergeName, name: string, type: number, entry: number): void {
    const old = this.child(parent, name);
    if (old && type === EntryType.directory && old.inode.type === type) {
      this.#describe(old, entry);
      return;
    }
    if (old) this.#remove(parent, old);
    const inode = newInode(type);
    inode.layer = this.#layer;
    inode.entry = entry;
    this.#add(parent, name, inode);
  }

  /** New attributes for a directory that stays. */
  #describe(name: MergeName, entry: number): void {
    name.inode.layer = this.#layer;
    name.inode.entry = entry;
    this.#stamp(name);
  }

  #link(parent: MergeName, name: string, target: string, path: string): void {
    const slash = target.lastIndexOf('/');
    const folder = this.#folder(slash === -1 ? '' : target.slice(0, slash), false);
    const found = folder && this.child(folder, target.slice(slash + 1));
    if (!found) throw this.#error(path, `is a hard link to ${shown(target)}, which does not exist`);
    if (found.inode.type === EntryType.directory) throw this.#error(path, 'is a hard link to a directory');
    const old = this.child(parent, name);
    if (old === found) return;
    if (old) this.#remove(parent, old);
    this.#add(parent, name, found.inode);
  }

  #add(parent: MergeName, name: string, inode: MergeInode): MergeName {
    if (++this.#made > this.#limit) {
      throw new BootyardError(
        'image.tooManyEntries',
        `The image is refused: its layers make more than ${this.#limit} files.`,
      );
    }
    if (parent.depth >= MAX_DEPTH) throw this.#error(name, `lies more than ${MAX_DEPTH} directories deep`);
    const made = newName(name, parent, inode, inode.type === EntryType.directory ? new Map() : undefined);
    made.changed = true;
    inode.links++;
    this.childrenOf(parent).set(name, made);
    parent.changed = true;
    this.#stamp(made);
    return made;
  }

  #remove(parent: MergeName, name: MergeName): void {
    this.childrenOf(parent).delete(name.name);
    parent.changed = true;
    const pending = [name];
    for (let next = pending.pop(); next; next = pending.pop()) {
      next.inode.links--;
      if (next.inode.type === EntryType.directory) pending.push(...this.childrenOf(next).values());
    }
  }

  #stamp(name: MergeName): void {
    for (let at: MergeName | undefined = name; at && at.layer !== this.#layer; at = at.parent)
      at.layer = this.#layer;
  }

  child(directory: MergeName, name: string): MergeName | undefined {
    return this.childrenOf(directory).get(name);
  }

  /** The names in a directory, taken out of the base tree at first use. */
  childrenOf(directory: MergeName): Map<string, MergeName> {
    return (directory.children ??= this.#loadChildren(directory));
  }

  #loadChildren(directory: MergeName): Map<string, MergeName> {
    const children = new Map<string, MergeName>();
    const base = this.#base;
    const number = directory.inode.base;
    if (!base || number === 0) return children;
    const names = Buffer.from(base.names.buffer, base.names.byteOffset, base.names.byteLength);
    for (let entry = base.first[number] ?? 0; entry < (base.last[number] ?? 0); entry++) {
      const name = names.toString('latin1', base.nameStart[entry], base.nameEnd[entry]);
      children.set(name, newName(name, directory, this.#baseInode(base.entryInode[entry] ?? 0), undefined));
    }
    return children;
  }

  #baseInode(number: number): MergeInode {
    const known = this.baseInodes.get(number);
    if (known) return known;
    const attributes = this.#base?.attributes;
    const at = (number - 1) * FATTR_SIZE;
    const type = attributes?.[at + Fattr.type + 3] ?? 0;
    const links = attributes
      ? new DataView(attributes.buffer, attributes.byteOffset).getUint32(at + Fattr.nlink)
      : 0;
    const inode = { type, base: number, layer: 0, entry: 0, links, number };
    this.baseInodes.set(number, inode);
    return inode;
  }

  /**
   * The directory at a path, symbolic links followed inside the root. What is missing is made when `make`, with the
   * attributes that container engines give (0755, root). Undefined when there is none or a file stands in the way.
   */
  #folder(path: string, make: boolean): MergeName | undefined {
    let at = this.root;
    const rest = path === '' ? [] : path.split('/').toReversed();
    let links = 0;
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at = at.parent ?? this.root;
        continue;
      }
      const next =
        this.child(at, part) ?? (make ? this.#add(at, part, newInode(EntryType.directory)) : undefined);
      if (next?.inode.type === EntryType.symlink) {
        if (++links > MAX_LINKS) return undefined;
        const target = this.#target(next.inode);
        rest.push(...target.split('/').toReversed());
        if (target.startsWith('/')) at = this.root;
        continue;
      }
      if (next?.inode.type !== EntryType.directory) return undefined;
      at = next;
    }
    return at;
  }

  #target(inode: MergeInode): string {
    const index = this.#indexes.get(inode.layer);
    if (index) return index.link(inode.entry);
    const base = this.#base;
    if (!base) return '';
    return Buffer.from(base.links.subarray(base.first[inode.base], base.last[inode.base])).toString('latin1');
  }

  #error(path: string, why: string): BootyardError {
    const count = this.#index?.count ?? 0;
    return new BootyardError(
      'image.badLayer',
      `The image is refused: in a layer of ${count} entries, ${shown(path)} ${why}.`,
      {
        path,
      },
    );
  }
}

function newInode(type: number): MergeInode {
  return { type, base: 0, layer: 0, entry: 0, links: 0, number: 0 };
}

function newName(
  name: string,
  parent: MergeName | undefined,
  inode: MergeInode,
  children: Map<string, MergeName> | undefined,
): MergeName {
  return { name, parent, depth: parent ? parent.depth + 1 : 0, inode, layer: 0, children, changed: false };
}
