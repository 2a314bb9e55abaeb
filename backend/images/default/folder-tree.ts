import { lstatSync, readFileSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';

/** Most symbolic links followed for one path. */
const MAX_LINKS = 40;

/** A folder on disk, seen as the root of an image: absolute links stay inside. Inodes are numbers given on first sight. */
export class FolderTree {
  readonly #root: string;
  readonly #paths: string[] = [''];
  readonly #numbers = new Map<string, number>();

  constructor(root: string) {
    this.#root = root;
    this.#number('/');
  }

  /** 0 when there is no such file. */
  lookupPath(path: string): number {
    let links = 0;
    let done = '/';
    const pending = path.split('/');
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        done = posix.dirname(done);
        continue;
      }
      const next = posix.join(done, name);
      const stat = this.#stat(next);
      if (!stat) return 0;
      if (!stat.isSymbolicLink()) {
        done = next;
        continue;
      }
      if (++links > MAX_LINKS) return 0;
      const target = readlinkSync(join(this.#root, next));
      if (target.startsWith('/')) done = '/';
      pending.unshift(...target.split('/'));
    }
    return this.#number(done);
  }

  children(inode: number): { name: Buffer; inode: number }[] {
    const path = this.#path(inode);
    return readdirSync(join(this.#root, path)).map((name) => ({
      name: Buffer.from(name),
      inode: this.#number(posix.join(path, name)),
    }));
  }

  stat(inode: number): { type: 'file' | 'directory' | 'symlink' | 'other'; size: number } {
    const stat = lstatSync(join(this.#root, this.#path(inode)));
    const { size } = stat;
    if (stat.isFile()) return { type: 'file', size };
    if (stat.isDirectory()) return { type: 'directory', size };
    return { type: stat.isSymbolicLink() ? 'symlink' : 'other', size };
  }

  readFile(inode: number): Buffer {
    return readFileSync(join(this.#root, this.#path(inode)));
  }

  #stat(path: string): Stats | undefined {
    // A path that goes on below a file is as absent as any other.
    if (!lstatSync(join(this.#root, posix.dirname(path))).isDirectory()) return undefined;
    return lstatSync(join(this.#root, path), { throwIfNoEntry: false });
  }

  #path(inode: number): string {
    return this.#paths[inode] ?? '/';
  }

  #number(path: string): number {
    const known = this.#numbers.get(path);
    if (known !== undefined) return known;
    const number = this.#paths.push(path) - 1;
    this.#numbers.set(path, number);
    return number;
  }
}
