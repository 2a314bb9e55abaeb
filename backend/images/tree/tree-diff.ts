import { setImmediate as nextTurn } from 'node:timers/promises';
import { pace } from '../pace.ts';
import type { ImportControl } from '../staging.ts';
import type { FileType, ImageTree } from './tree.ts';
import { sameXattrs } from './xattr-list.ts';

/** A tree with the digests of its layers, the lowest first. */
export interface LayeredTree {
  tree: ImageTree;
  layers: readonly string[];
}
export type Aspect = 'type' | 'content' | 'target' | 'mode' | 'owner' | 'device' | 'xattrs';

/** A path by which two trees differ. */
export interface TreeChange {
  /** absolute; bytes that are no UTF-8 are replaced */
  path: string;
  /** added, modified, deleted */
  kind: 'A' | 'M' | 'D';
  type: FileType;
  /** bytes of the file; of one that is gone, those that it had */
  sizeBytes: number;
  /** what it had before; null: there was no file */
  oldSizeBytes: number | null;
  /** number of the layer, from 1 on, that brought what is there now, or had what is gone; null: implied by other paths */
  layer: number | null;
  /** how a modified one differs */
  aspects: Aspect[];
}

const CHUNK = 1 << 20;

/**
 * By what a tree differs from another one, in the order of paths (bytes, folder by folder). Times do not count, as in the
 * difference of a node to its image. Content that lies at the same place of the same layer is not read. Throws the reason
 * of the signal.
 */
export async function* diffTrees(
  from: LayeredTree,
  to: LayeredTree,
  control: ImportControl,
): AsyncGenerator<TreeChange> {
  const differ = new TreeDiffer(from, to, control);
  yield* differ.pair(1, 1, '');
}

class TreeDiffer {
  readonly #from: LayeredTree;
  readonly #to: LayeredTree;
  readonly #control: ImportControl;
  readonly #isDue = pace();
  readonly #buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  #seen = 0;

  constructor(from: LayeredTree, to: LayeredTree, control: ImportControl) {
    this.#from = from;
    this.#to = to;
    this.#control = control;
  }

  /** What stands at a path in both trees. */
  async *pair(old: number, now: number, path: string): AsyncGenerator<TreeChange> {
    await this.#goOn();
    const [before, after] = [this.#from.tree.stat(old), this.#to.tree.stat(now)];
    const aspects = await this.#aspects(old, now);
    if (aspects.length > 0) {
      yield {
        ...this.#entry(this.#to, now, path, 'M'),
        oldSizeBytes: before.type === 'file' ? before.size : null,
        aspects,
      };
    }
    if (before.type === 'directory' && after.type === 'directory') yield* this.#folders(old, now, path);
    else if (before.type === 'directory') yield* this.#inside(this.#from, old, path, 'D');
    else if (after.type === 'directory') yield* this.#inside(this.#to, now, path, 'A');
  }

  /** Both list their names in the order of bytes. */
  async *#folders(old: number, now: number, path: string): AsyncGenerator<TreeChange> {
    const before = this.#from.tree.children(old);
    const after = this.#to.tree.children(now);
    let [a, b] = [before.next(), after.next()];
    while (!a.done || !b.done) {
      const order = a.done ? 1 : b.done ? -1 : Buffer.compare(a.value.name, b.value.name);
      const name = order <= 0 && !a.done ? a.value.name : b.done ? undefined : b.value.name;
      const child = `${path}/${name?.toString('latin1') ?? ''}`;
      if (order === 0 && !a.done && !b.done) yield* this.pair(a.value.inode, b.value.inode, child);
      else if (order < 0 && !a.done) yield* this.#whole(this.#from, a.value.inode, child, 'D');
      else if (!b.done) yield* this.#whole(this.#to, b.value.inode, child, 'A');
      if (order <= 0) a = before.next();
      if (order >= 0) b = after.next();
    }
  }

  /** All at and below a path that only one tree has. */
  async *#whole(side: LayeredTree, inode: number, path: string, kind: 'A' | 'D'): AsyncGenerator<TreeChange> {
    await this.#goOn();
    yield this.#entry(side, inode, path, kind);
    yield* this.#inside(side, inode, path, kind);
  }

  async *#inside(
    side: LayeredTree,
    inode: number,
    path: string,
    kind: 'A' | 'D',
  ): AsyncGenerator<TreeChange> {
    for (const child of side.tree.children(inode))
      yield* this.#whole(side, child.inode, `${path}/${child.name.toString('latin1')}`, kind);
  }

  #entry(side: LayeredTree, inode: number, path: string, kind: TreeChange['kind']): TreeChange {
    const { type, size } = side.tree.stat(inode);
    const sizeBytes = type === 'file' ? size : 0;
    return {
      path: Buffer.from(path === '' ? '/' : path, 'latin1').toString('utf8'),
      kind,
      type,
      sizeBytes,
      oldSizeBytes: kind === 'D' && type === 'file' ? size : null,
      layer: side.tree.layer(inode) || null,
      aspects: [],
    };
  }

  async #aspects(old: number, now: number): Promise<Aspect[]> {
    const [a, b] = [this.#from.tree, this.#to.tree];
    const [before, after] = [a.stat(old), b.stat(now)];
    if (before.type !== after.type) return ['type'];
    const aspects: Aspect[] = [];
    const { type } = after;
    if (type === 'file' && !(await this.#sameContent(old, now))) aspects.push('content');
    if (type === 'symlink' && !Buffer.from(a.linkTarget(old)).equals(b.linkTarget(now)))
      aspects.push('target');
    if (type !== 'symlink' && before.mode !== after.mode) aspects.push('mode');
    if (before.uid !== after.uid || before.gid !== after.gid) aspects.push('owner');
    const isDevice = type === 'char' || type === 'block';
    if (isDevice && (before.rdev.major !== after.rdev.major || before.rdev.minor !== after.rdev.minor))
      aspects.push('device');
    if (!sameXattrs(a.xattrs(old), b.xattrs(now))) aspects.push('xattrs');
    return aspects;
  }

  async #sameContent(old: number, now: number): Promise<boolean> {
    const [a, b] = [this.#from.tree, this.#to.tree];
    const { size } = a.stat(old);
    if (b.stat(now).size !== size) return false;
    const position = a.position(old);
    const layer = this.#from.layers[a.layer(old) - 1];
    const isSamePlace = position !== undefined && position === b.position(now);
    if (isSamePlace && layer !== undefined && layer === this.#to.layers[b.layer(now) - 1]) return true;
    const [ours, theirs] = this.#buffers;
    for (let at = 0; at < size;) {
      await this.#goOn();
      const length = Math.min(CHUNK, size - at);
      await Promise.all([a.readCold(old, at, ours, 0, length), b.readCold(now, at, theirs, 0, length)]);
      if (ours.compare(theirs, 0, length, 0, length) !== 0) return false;
      at += length;
    }
    return true;
  }

  async #goOn(): Promise<void> {
    this.#control.signal?.throwIfAborted();
    if (++this.#seen % 256 === 0) await nextTurn();
    if (!this.#isDue()) return;
    const count = Math.max(this.#from.tree.count, this.#to.tree.count);
    this.#control.progress?.({
      message: `Comparing ${count} files`,
      fraction: Math.min(1, this.#seen / count),
    });
  }
}
