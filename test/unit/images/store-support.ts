import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageStore } from '../../../backend/images/store.ts';
import { file, folder, link, sha, tarOf, testFolder } from './support.ts';

const ELF = Buffer.alloc(64);
ELF.write('\x7fELF\x02\x01\x01', 'latin1');
ELF.writeUInt16LE(0xb7, 18);
export const ROOT = tarOf([
  folder('.'),
  folder('etc', 0o755, { mtime: 1_700_000_000 }),
  file('etc/hostname', 'box\n', { mtime: 1_700_000_000 }),
  folder('bin', 0o755, { mtime: 1_700_000_000 }),
  { ...file('bin/busybox', '', { mode: 0o4755, mtime: 1_700_000_000 }), content: ELF },
  { ...link('bin/sh', 'busybox'), mtime: 1_700_000_000 },
]);
export const TOP = tarOf([folder('etc'), file('etc/.wh.hostname'), file('etc/motd', 'welcome')]);

export function newStore(): {
  home: string;
  store: ImageStore;
  put: (name: string, content: Buffer) => string;
} {
  const home = testFolder();
  const put = (name: string, content: Buffer): string => {
    writeFileSync(join(home, name), content);
    return join(home, name);
  };
  return { home, store: new ImageStore(join(home, 'store')), put };
}

/** Every file of the store with its content's digest. */
export function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files.map((entry) => [
      join(entry.parentPath, entry.name),
      sha(readFileSync(join(entry.parentPath, entry.name))),
    ]),
  );
}

export async function textOf(store: ImageStore, name: string, path: string): Promise<string> {
  const tree = await store.tree(store.get(name)?.id ?? '');
  try {
    const inode = tree.lookupPath(path);
    return inode === 0 ? 'missing' : tree.readFile(inode).toString();
  } finally {
    tree.close();
  }
}
