import { BootyardError } from '../../errors.ts';
import { type Xattrs, XattrListReader } from '../../images/tree/xattr-list.ts';

/** What a node has of a file, as busybox `stat` and `sha256sum` say it. */
export interface HeldFile {
  /** type and permission bits (st_mode) */
  mode: number;
  uid: number;
  gid: number;
  /** bytes */
  size: number;
  /** seconds since the epoch */
  mtime: number;
  rdev: { major: number; minor: number };
  /** of a symbolic link, bytes as latin1 text */
  target: string;
  /** hex; undefined when the node did not send one */
  sum: string | undefined;
}

/** A node's wish: the image, whose files it has (by path), and of which other images it has complete copies. */
export interface Inventory {
  imageId: string;
  /** every file that it has is listed with a checksum; else only those that it has just received */
  isFull: boolean;
  copies: string[];
  held: Map<string, HeldFile>;
  /** extended attributes of those files that have some; undefined: the node cannot tell, and they are left alone */
  xattrs?: ReadonlyMap<string, Xattrs>;
}

const MAX_BYTES = 48 << 20;
const MAX_COPIES = 64;
const IMAGE_ID = /^[0-9a-f]{64}$/;
/** Ends a record of `stat`, so that names may hold newlines: byte 1, then the newline. */
const RECORD_END = '\x01';
const RECORD =
  /^([0-9a-f]{1,8}) (\d{1,10}) (\d{1,10}) (\d{1,15}) (-?\d{1,15}) ([0-9a-f]{1,8}) ([0-9a-f]{1,8}) (.*)$/s;
const SUM = /^([0-9a-f]{64}) {2}\.\/(.*)$/s;

/**
 * Reads a request line by line (the lines after its name): image id, `full` or `received`, ids of complete copies with
 * spaces between; records of `stat -c '%f %u %g %s %Y %t %T %N<1>'`; an empty line; where the second line ended in
 * ` xattrs`, a list of `walt-xattrs` and an empty line; lines of `sha256sum`; `END`.
 */
export class InventoryReader {
  readonly #inventory: Inventory = { imageId: '', isFull: true, copies: [], held: new Map() };
  #line = 0;
  #bytes = 0;
  #pending = '';
  #part: 'head' | 'records' | 'xattrs' | 'sums' = 'head';
  #xattrs: XattrListReader | undefined;

  /** Takes a line, bytes as latin1 text; returns the inventory after the last. Throws `hybrid.request` for nonsense. */
  take(line: string): Inventory | undefined {
    this.#bytes += line.length + 1;
    if (this.#bytes > MAX_BYTES) throw refused(`it is longer than ${MAX_BYTES >> 20} MiB`);
    if (this.#part === 'head') this.#head(line);
    else if (this.#part === 'records') this.#record(line);
    else if (this.#part === 'xattrs') this.#xattr(line);
    else if (line === 'END') return this.#inventory;
    else this.#sum(line);
    return undefined;
  }

  #head(line: string): void {
    const inventory = this.#inventory;
    switch (this.#line++) {
      case 0:
        if (!IMAGE_ID.test(line)) throw refused('its second line is no image id');
        inventory.imageId = line;
        return;
      case 1:
        if (!/^(full|received)( xattrs)?$/.test(line))
          throw refused("its third line is not 'full' or 'received'");
        inventory.isFull = line.startsWith('full');
        if (line.endsWith(' xattrs')) inventory.xattrs = (this.#xattrs = new XattrListReader()).found;
        return;
      default:
        inventory.copies = line.split(' ').filter((id) => id !== '');
        if (inventory.copies.length > MAX_COPIES || !inventory.copies.every((id) => IMAGE_ID.test(id)))
          throw refused(`its fourth line is not up to ${MAX_COPIES} image ids`);
        this.#part = 'records';
    }
  }

  #record(line: string): void {
    if (line === '' && this.#pending === '') {
      this.#part = this.#xattrs ? 'xattrs' : 'sums';
      return;
    }
    this.#pending += this.#pending === '' ? line : `\n${line}`;
    if (!line.endsWith(RECORD_END)) return;
    const [, mode = '', uid, gid, size, mtime, major = '', minor = '', name = ''] =
      RECORD.exec(this.#pending.slice(0, -1)) ?? [];
    this.#pending = '';
    if (mode === '') throw refused('a record is not as stat writes it');
    const type = Number.parseInt(mode, 16);
    const isLink = (type & 0o170000) === 0o120000;
    // Links are written 'NAME' -> 'TARGET'.
    const [path = '', target = ''] = isLink ? splitOnce(name.slice(1, -1), "' -> '") : [name];
    this.#inventory.held.set(path === '.' ? '' : path.slice('./'.length), {
      mode: type,
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      mtime: Number(mtime),
      rdev: { major: Number.parseInt(major, 16), minor: Number.parseInt(minor, 16) },
      target,
      sum: undefined,
    });
  }

  #xattr(line: string): void {
    if (line === '') this.#part = 'sums';
    else this.#xattrs?.take(line);
  }

  #sum(line: string): void {
    const [, sum, path = ''] = SUM.exec(line) ?? [];
    // Names with newlines are not matched; their files count as having no checksum.
    const held = this.#inventory.held.get(path);
    if (held) held.sum = sum;
  }
}

function splitOnce(text: string, by: string): string[] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + by.length)];
}

function refused(why: string): BootyardError {
  return new BootyardError('hybrid.request', `A node's request for a copy of its image was refused: ${why}.`);
}
