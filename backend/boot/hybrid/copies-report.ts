import { BootyardError } from '../../errors.ts';

/** A line of what a node says of the image copies on its disks. */
export interface ReportedCopy {
  partition: string;
  isPersistent: boolean;
  id: string;
  state: 'complete' | 'partial';
  imageBytes: number;
  diffBytes: number;
  localBytes: number;
  /** ISO time; null: never */
  lastBoot: string | null;
}

const MAX_COPIES = 64;
const LINE =
  /^([a-z0-9]{1,16}) (volatile|persistent) ([0-9a-f]{64}) (complete|partial) (\d{1,12}) (\d{1,12}) (\d{1,12}) (\d{1,10})$/;

/** Collects lines `<partition> <variant> <id> <state> <KiB of image, diff, local> <Unix time of the last boot>` until `END`. */
export class CopiesReader {
  readonly #copies: ReportedCopy[] = [];

  /** Returns all after the last line. Throws `hybrid.request` for nonsense. */
  take(line: string): ReportedCopy[] | undefined {
    if (line === 'END') return this.#copies;
    const [, partition, variant, id, state, image, diff, local, time] = LINE.exec(line) ?? [];
    if (partition === undefined || id === undefined || this.#copies.length >= MAX_COPIES)
      throw new BootyardError('hybrid.request', "A node's list of image copies was refused.");
    this.#copies.push({
      ...{ partition, id, isPersistent: variant === 'persistent' },
      state: state === 'complete' ? 'complete' : 'partial',
      imageBytes: Number(image) * 1024,
      diffBytes: Number(diff) * 1024,
      localBytes: Number(local) * 1024,
      lastBoot: Number(time) === 0 ? null : new Date(Number(time) * 1000).toISOString(),
    });
    return undefined;
  }
}
