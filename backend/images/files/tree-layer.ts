import type { TreePath } from '../tree/manifest.ts';
import { inSlices, SLICE, type Steps } from '../tree/slices.ts';
import type { StagedLayer, Staging } from '../staging.ts';
import { LayerFile } from '../tree/layer-file.ts';
import type { LayerIndex } from '../tree/layer-index.ts';
import { mergeInSlices } from '../tree/merge-layers.ts';
import type { OpenImage } from '../store.ts';
import { tarOf } from '../tree/tree-tar.ts';
import { ImageTree, treeId } from '../tree/tree.ts';
import { withOtherNames } from './names-of.ts';

/**
 * The tree of the lowest `kept` layers of an open image, with others on top; the caller closes it. `indexes`: of the image's
 * layers
 */
export async function stackedTree(
  image: OpenImage,
  indexes: readonly LayerIndex[],
  kept: number,
  added: readonly StagedLayer[],
): Promise<ImageTree> {
  const digests = image.record.layers.slice(0, kept).map(({ digest }) => digest);
  const id = treeId([...digests, ...added.map(({ digest }) => digest)]);
  const packed = await mergeInSlices([...indexes.slice(0, kept), ...added.map(({ index }) => index)], id);
  const lower = image.tree.layers.slice(0, kept).map((layer) => layer.retain());
  return new ImageTree(id, packed, [...lower, ...added.map(({ file }) => new LayerFile(file))]);
}

/**
 * The one layer that makes `to` of `from`, whose layers are the lowest of `to`'s; undefined when there is nothing to do.
 * What comes from the same place of the same layer is the same: no content is compared.
 */
export async function treeLayer(
  from: ImageTree,
  to: ImageTree,
  staging: Staging,
): Promise<StagedLayer | undefined> {
  const { control } = staging;
  const changed = await inSlices(differing(from, to), control.signal);
  if (changed.length === 0) return undefined;
  const paths = withOtherNames(to, changed);
  const blob = await staging.write(tarOf(to, () => paths, 'Writing', control));
  return await staging.indexed(blob, { needsEnd: true });
}

/** Paths that differ, folders before what they hold; those that are gone with inode 0. */
function* differing(from: ImageTree, to: ImageTree): Steps<TreePath[]> {
  const changed: TreePath[] = [];
  const open: { old: number; now: number; path: string }[] = [{ old: 1, now: 1, path: '' }];
  let seen = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    if (++seen % SLICE === 0) yield;
    const { old, now, path } = next;
    if (now === 0) {
      changed.push({ path, inode: 0 });
      continue;
    }
    if (old === 0 || !isSame(from, old, to, now)) changed.push({ path, inode: now });
    if (to.stat(now).type !== 'directory') continue;
    const isFolder = old !== 0 && from.stat(old).type === 'directory';
    const before = new Map(
      isFolder ? [...from.children(old)].map(({ name, inode }) => [name.toString('latin1'), inode]) : [],
    );
    const place = (name: string): string => (path === '' ? name : `${path}/${name}`);
    for (const { name, inode } of to.children(now)) {
      const key = name.toString('latin1');
      open.push({ old: before.get(key) ?? 0, now: inode, path: place(key) });
      before.delete(key);
    }
    for (const [name, inode] of before) open.push({ old: inode, now: 0, path: place(name) });
  }
  return changed;
}

function isSame(from: ImageTree, old: number, to: ImageTree, now: number): boolean {
  const [before, after] = [from.stat(old), to.stat(now)];
  const isAlike =
    before.type === after.type &&
    before.mode === after.mode &&
    before.uid === after.uid &&
    before.gid === after.gid &&
    before.mtimeMs === after.mtimeMs;
  if (!isAlike) return false;
  // A layer may name a folder without changing it.
  if (after.type === 'directory') return sameKeys(from, old, to, now);
  return from.layer(old) === to.layer(now) && from.position(old) === to.position(now);
}

function sameKeys(from: ImageTree, old: number, to: ImageTree, now: number): boolean {
  const [before, after] = [from.xattrs(old), to.xattrs(now)];
  return before.size === after.size && [...after].every(([name, value]) => before.get(name)?.equals(value));
}
