import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { BootyardError, systemCode } from '../../errors.ts';

/** A copy of an image on a disk of a node, as the node described it in its last hybrid boot. */
export const ImageCopy = z.object({
  /** of the image, 64 hex digits */
  id: z.string(),
  /** such as sda1 */
  partition: z.string(),
  state: z.enum(['complete', 'partial']),
  /** what was written is kept from boot to boot */
  isPersistent: z.boolean(),
  /** bytes of the image, of what the node wrote over it, and of /local */
  imageBytes: z.number(),
  diffBytes: z.number(),
  localBytes: z.number(),
  /** ISO time; null when it was not booted yet */
  lastBoot: z.string().nullable(),
});
export type ImageCopy = z.infer<typeof ImageCopy>;
/** What is in the place of a partition for changes that are kept of network-persistent boots. */
export const KEPT_PLACE = 'network';
const NamedCopy = ImageCopy.extend({
  /** by which it is removed */
  name: z.string(),
  /** the node takes it away when it boots next */
  removed: z.boolean(),
});
export type NamedCopy = z.infer<typeof NamedCopy>;
/** For clients. */
export const ImageCopyInfo = NamedCopy.extend({ image: z.string().nullable() });
export type ImageCopyInfo = z.infer<typeof ImageCopyInfo>;

const Saved = z.object({
  copies: z.array(ImageCopy).default([]),
  /** ids that the user let go, and whether the node has been told so */
  removed: z.array(z.object({ id: z.string(), told: z.boolean() })).default([]),
});
type Saved = z.infer<typeof Saved>;

/**
 * The image copies on a node's disks; or the changes to images that are kept of its network-persistent boots, whose image
 * takes no room. Only the node itself reads and changes them: it reports them, and is told what to remove.
 */
export class ImageCopies {
  readonly #file: string;
  readonly #prefix: string;
  /** one change after the other */
  #turn: Promise<unknown> = Promise.resolve();

  /** `prefix`: what their names have before the id */
  constructor(nodeFolder: string, file: string, prefix = '') {
    this.#file = join(nodeFolder, file);
    this.#prefix = prefix;
  }

  async list(): Promise<NamedCopy[]> {
    const { copies, removed } = await this.#read();
    return copies.map((copy) => ({
      ...copy,
      name: `${this.#prefix}${copy.id.slice(0, 12)}`,
      removed: removed.some(({ id }) => id === copy.id),
    }));
  }

  /** The node says what there is. What it was told to remove is done. */
  reported(copies: readonly ImageCopy[]): Promise<void> {
    return this.#change((saved) => ({
      copies: [...copies],
      removed: saved.removed.filter(({ id, told }) => !told && copies.some((copy) => copy.id === id)),
    }));
  }

  /** Ids of copies to remove, for a node that boots. */
  async tell(): Promise<string[]> {
    const { removed } = await this.#read();
    if (removed.length > 0)
      await this.#change((saved) => ({
        ...saved,
        removed: saved.removed.map(({ id }) => ({ id, told: true })),
      }));
    return removed.map(({ id }) => id);
  }

  /**
   * Lets a copy go at the node's next boot. False when there is none whose name or id begins so. Without `force` one that
   * holds data is refused with `disk.holdsData`.
   */
  async remove(name: string, force: boolean): Promise<boolean> {
    const begin = name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : '';
    if (!/^[0-9a-f]{4,64}$/.test(begin)) return false;
    const matching = (await this.list()).filter(({ id }) => id.startsWith(begin));
    const [copy] = matching;
    if (!copy) return false;
    if (matching.length > 1)
      throw new BootyardError(
        'disk.unknown',
        `Several image copies begin with ${name}: give more of the id.`,
      );
    if (copy.isPersistent && copy.diffBytes + copy.localBytes > 0 && !force)
      throw new BootyardError('disk.holdsData', `Image copy ${copy.name} holds data.`);
    await this.#change((saved) => ({
      ...saved,
      removed: [...saved.removed.filter(({ id }) => id !== copy.id), { id: copy.id, told: false }],
    }));
    return true;
  }

  #change(change: (saved: Saved) => Saved): Promise<void> {
    const done = this.#turn.then(async () => {
      const text = JSON.stringify(change(await this.#read()));
      await writeFile(`${this.#file}.part`, text, { mode: 0o600 });
      await rename(`${this.#file}.part`, this.#file);
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #read(): Promise<Saved> {
    try {
      return Saved.parse(JSON.parse(await readFile(this.#file, 'utf8')));
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof z.ZodError || systemCode(error) === 'ENOENT')
        return { copies: [], removed: [] };
      throw error;
    }
  }
}
