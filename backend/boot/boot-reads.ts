import { inodePaths } from '../images/tree/inode-paths.ts';
import { ReadRecord, type FileRead } from '../images/tree/read-record.ts';
import type { ImageTree } from '../images/tree/tree.ts';
import { ifRoom } from '../state/database.ts';
import type { BootReadRecord, ReadRecords } from '../state/read-records.ts';
import { imageUsage, type ImageUsage } from './image-usage.ts';
import { neededPaths } from './needed-paths.ts';
import type { BootPlan } from './plan.ts';
import type { ServedNodes } from './served-nodes.ts';

/** Boots of an image that a next boot learns from. */
const LEARNED_FROM = 5;
/** Boots of an image that its usage tells of. */
const TOLD_OF = 50;
const PIECE = 1024 * 1024;
const ROOT = 1;

export interface BootReadsParts {
  records: ReadRecords;
  served: ServedNodes;
  /** opens the tree of an image; whoever asked closes it */
  tree: (imageId: string) => Promise<ImageTree>;
  /** by its name; throws `image.unknown` */
  image: (name: string) => { name: string; id: string };
}

/** What boots read of their images: noted by the trees that are served, kept with the boots, and read ahead the next time. */
export class BootReads {
  readonly #parts: BootReadsParts;

  constructor(parts: BootReadsParts) {
    this.#parts = parts;
  }

  /** From here on reads of the plan's tree are noted. */
  follow(plan: BootPlan): void {
    plan.tree.reads = new ReadRecord();
  }

  /** Writes down what was read of a plan's tree since the last call, if there is room for it. */
  save({ id, imageId, tree }: BootPlan): void {
    const reads = tree.reads?.take();
    if (!reads || reads.size === 0) return;
    ifRoom(() => this.#parts.records.add(id, imageId, pathsOf(tree, reads)));
  }

  /** Of all nodes that are served: before somebody looks, and when the daemon ends. */
  saveAll(): void {
    for (const plan of this.#parts.served.all()) this.save(plan);
  }

  /** What a boot has read so far, or undefined when nothing is on record. */
  ofBoot(id: string): BootReadRecord | undefined {
    this.saveAll();
    return this.#parts.records.ofBoot(id);
  }

  /** What the last boots read of an image; throws `image.unknown`. */
  async usage(name: string): Promise<ImageUsage> {
    this.saveAll();
    const image = this.#parts.image(name);
    const tree = await this.#parts.tree(image.id);
    try {
      return imageUsage(image, tree, this.#parts.records.ofImage(name, TOLD_OF));
    } finally {
      tree.close();
    }
  }

  /**
   * Reads what the last boots of this image all needed until they were booted, so that the node does not wait for the disk.
   * Ends with the plan. What is in memory already is not read again.
   */
  async readAhead(plan: BootPlan): Promise<void> {
    const boots = this.#parts.records.ofImage(plan.node.image, LEARNED_FROM);
    const paths = neededPaths(boots.filter(({ imageId }) => imageId === plan.imageId));
    if (paths.length === 0) return;
    const tree = await this.#parts.tree(plan.imageId);
    try {
      const buffer = new Uint8Array(PIECE);
      for (const path of paths) {
        const inode = tree.lookupPath(path, { follow: false });
        if (inode !== 0) await this.#warm(plan, tree, inode, buffer);
      }
    } finally {
      tree.close();
    }
  }

  async #warm(plan: BootPlan, tree: ImageTree, inode: number, buffer: Uint8Array): Promise<void> {
    const { size } = tree.source(inode);
    for (let position = 0; position < size; position += PIECE) {
      if (this.#parts.served.byAddress(plan.node.ip) !== plan) return;
      const length = Math.min(PIECE, size - position);
      if (!tree.isWarm(inode, position, length)) await tree.readCold(inode, position, buffer, 0, length);
    }
  }
}

/** What was read, by paths. What the injected layer gave is not the image's, and the root is listed by all. */
function pathsOf(tree: ImageTree, reads: ReadonlyMap<number, FileRead>): (FileRead & { path: string })[] {
  const own = [...reads].filter(([inode]) => inode !== ROOT && tree.layer(inode) < tree.layers.length);
  const paths = inodePaths(tree, new Set(own.map(([inode]) => inode)));
  return own.map(([inode, read]) => ({
    ...read,
    path: `${paths.get(inode) ?? ''}${tree.isDirectory(inode) ? '/' : ''}`,
  }));
}
