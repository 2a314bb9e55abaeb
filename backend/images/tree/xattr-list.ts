import { BootyardError } from '../../errors.ts';

/** Extended attributes of one file: name (latin1 text) → value. */
export type Xattrs = ReadonlyMap<string, Buffer>;

/** Limits of Linux (linux/limits.h): bytes of a name, of a value, of all names of a file with a NUL after each. */
export const XATTR_NAME_MAX = 255;
export const XATTR_SIZE_MAX = 65536;
export const XATTR_LIST_MAX = 65536;
/** bytes of a value in a line of a list */
const PIECE = 4096;
const MAX_LINE = 2 + 2 * PIECE;

/** What belongs to an overlay, or to the security policy of one machine; `walt-xattrs` has the same list. */
const OTHERS = /^(trusted\.overlay\.|security\.(selinux|SMACK64|apparmor|ima|evm))/;
const KEPT = /^(user|trusted|security)\../s;

/** Those attributes that nodes' disks and saved layers have; ordered by name. */
export function keptXattrs(xattrs: Xattrs): Xattrs {
  if (xattrs.size === 0) return xattrs;
  const kept = [...xattrs].filter(([name]) => KEPT.test(name) && !OTHERS.test(name));
  return new Map(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Both files have the same attributes. */
export function sameXattrs(some: Xattrs, others: Xattrs): boolean {
  return some.size === others.size && includesXattrs(some, others);
}

/** `some` has all that `others` has, and the same values. */
export function includesXattrs(some: Xattrs, others: Xattrs): boolean {
  for (const [name, value] of others) if (!some.get(name)?.equals(value)) return false;
  return true;
}

/** A file's part of a list as `walt-xattrs` (guest/xattrs/xattrs.c) reads and writes it. `path` is latin1 text. */
export function xattrLines(path: string, xattrs: Xattrs): string {
  const lines = [`f ${hex(path)}\n`];
  for (const [name, value] of xattrs) {
    lines.push(`n ${hex(name)}\n`);
    for (let at = 0; at < value.length; at += PIECE)
      lines.push(`v ${value.toString('hex', at, at + PIECE)}\n`);
  }
  return lines.join('');
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

/** Reads a list, line by line, of a node: attributes by path (`./` taken off; '' is the folder itself). */
export class XattrListReader {
  readonly found = new Map<string, Map<string, Buffer>>();
  #file: Map<string, Buffer> | undefined;
  #name: string | undefined;

  /** Throws `node.xattrs` for nonsense. */
  take(line: string): void {
    const tag = line.slice(0, 2);
    const digits = line.slice(2);
    if (line.length > MAX_LINE || digits.length % 2 !== 0 || !/^[0-9a-f]*$/.test(digits)) throw refused();
    const bytes = Buffer.from(digits, 'hex');
    if (tag === 'f ') return this.#start(bytes.toString('latin1'));
    if (tag === 'n ') return this.#add(bytes.toString('latin1'));
    if (tag === 'v ') return this.#append(bytes);
    throw refused();
  }

  #start(path: string): void {
    if (path === '' || path.includes('\0')) throw refused();
    const plain = path === '.' ? '' : path.replace(/^\.\//, '');
    this.#file = this.found.get(plain) ?? new Map<string, Buffer>();
    this.found.set(plain, this.#file);
    this.#name = undefined;
  }

  #add(name: string): void {
    if (!this.#file || name.length > XATTR_NAME_MAX || name.includes('\0')) throw refused();
    if (!KEPT.test(name) || OTHERS.test(name)) throw refused();
    this.#file.set(name, Buffer.alloc(0));
    this.#name = name;
  }

  #append(bytes: Buffer): void {
    const known = this.#name === undefined ? undefined : this.#file?.get(this.#name);
    if (!this.#file || this.#name === undefined || !known || known.length + bytes.length > XATTR_SIZE_MAX)
      throw refused();
    this.#file.set(this.#name, Buffer.concat([known, bytes]));
  }
}

function refused(): BootyardError {
  return new BootyardError('node.xattrs', "A node's list of extended attributes was refused.");
}
