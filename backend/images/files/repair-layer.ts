import { BootyardError } from '../../errors.ts';
import type { StagedLayer, Staging } from '../staging.ts';
import { whiteout } from '../tree/tree-tar.ts';
import type { ImageTree } from '../tree/tree.ts';
import { changedFile, entries, existing, type NewFile, newEntry, type Place, placeOf } from './edit.ts';
import { escapedBytes } from './escaped-name.ts';
import type { FileRepair } from './repair.ts';

/** A file whose content or mode changes is read whole: bytes. */
export const MAX_REPAIRED = 64 << 20;

/** What becomes of one file; several repairs may change the same. */
interface Change {
  place: Place;
  content: Buffer;
  mode?: number;
}

/** The layer that does repairs to a tree. Throws `file.*` as `editLayer`, and `image.fix` for a file that is too large. */
export async function repairLayer(
  tree: ImageTree,
  repairs: readonly FileRepair[],
  staging: Staging,
): Promise<StagedLayer> {
  const blob = await staging.write(entries(await repairedFiles(tree, repairs)));
  return await staging.indexed(blob, { needsEnd: true });
}

async function repairedFiles(tree: ImageTree, repairs: readonly FileRepair[]): Promise<NewFile[]> {
  const files: NewFile[] = [];
  const changes = new Map<number, Change>();
  for (const repair of repairs) {
    if (repair.do === 'link') files.push(linkTo(tree, repair));
    else if (repair.do === 'remove') files.push({ entry: whiteout(existing(tree, repair.path).path) });
    else {
      const place = existing(tree, repair.path, { follow: true });
      const change = changes.get(place.inode) ?? { place, content: await contentOf(tree, place, repair) };
      changes.set(place.inode, change);
      if (repair.do === 'mode') change.mode = repair.mode;
      else change.content = Buffer.from(contentAfter(change.content.toString('latin1'), repair), 'latin1');
    }
  }
  return [...files, ...[...changes.values()].flatMap((change) => changedFile(tree, change.place, change))];
}

/** With the owner of what was there. */
function linkTo(tree: ImageTree, { path: wanted, target }: Extract<FileRepair, { do: 'link' }>): NewFile {
  const { path, inode } = placeOf(tree, wanted);
  const { uid, gid } = inode === 0 ? { uid: 0, gid: 0 } : tree.stat(inode);
  const bytes = escapedBytes(target).toString('latin1');
  return { entry: { ...newEntry(path, 0o777), type: 'symlink', target: bytes, uid, gid } };
}

async function contentOf(tree: ImageTree, { inode }: Place, { path }: FileRepair): Promise<Buffer> {
  const { type, size } = tree.stat(inode);
  if (type !== 'file' || size > MAX_REPAIRED) {
    const why = type === 'file' ? `has more than ${MAX_REPAIRED >> 20} MB` : 'is no file';
    throw new BootyardError('image.fix', `Nothing was repaired: ${path} ${why}.`, { path });
  }
  const content = Buffer.alloc(size);
  await tree.readCold(inode, 0, content, 0, size);
  return content;
}

/** Bytes as latin1 text. */
function contentAfter(
  text: string,
  repair: Extract<FileRepair, { do: 'empty' | 'prepend' | 'replace' }>,
): string {
  switch (repair.do) {
    case 'empty':
      return '';
    case 'prepend':
      return `${repair.line}\n${text}`;
    case 'replace':
      return text
        .split('\n')
        .map((line) => (line.startsWith(repair.from) ? repair.to + line.slice(repair.from.length) : line))
        .join('\n');
  }
}
