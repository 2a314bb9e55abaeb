import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ImageStore } from '../images/store.ts';
import { probeAcceleration, type Acceleration } from '../lab/acceleration.ts';
import { hostModel } from './models.ts';

export interface AcceleratorParts {
  images: Pick<ImageStore, 'list' | 'tree'>;
  /** where a kernel taken from an image is put, for the probe to boot it */
  kernel: string;
  cacheFile: string;
}

/** How nodes run on this host: asked once a kernel is there to try KVM with, and then remembered. */
export class Accelerator {
  readonly #parts: AcceleratorParts;
  #asked: Promise<Acceleration> | undefined;
  #known: Acceleration | undefined;

  constructor(parts: AcceleratorParts) {
    this.#parts = parts;
  }

  /** What is known by now, without waiting for a probe. */
  get known(): Acceleration | undefined {
    return this.#known;
  }

  /** For nodes of a model. May take ten seconds the first time on a host; see `probeAcceleration`. */
  async of(model: string): Promise<Acceleration> {
    return model === hostModel()
      ? this.get()
      : { accel: 'tcg', reason: `${model} is not this host's processor` };
  }

  /** For nodes with the host's own processor. */
  get(): Promise<Acceleration> {
    this.#asked ??= this.#probe();
    return this.#asked;
  }

  async #probe(): Promise<Acceleration> {
    const { kernel, cacheFile } = this.#parts;
    const hasKernel = await this.#takeKernel();
    const answer = await probeAcceleration({ kernel, cacheFile });
    if (hasKernel) this.#known = answer;
    else this.#asked = undefined;
    return answer;
  }

  /** The kernel of the first image that has one. */
  async #takeKernel(): Promise<boolean> {
    const { images, kernel } = this.#parts;
    for (const image of images.list()) {
      const tree = await images.tree(image.id);
      try {
        const inode = tree.lookupPath(`/boot/${hostModel()}/kernel`);
        if (inode === 0 || tree.stat(inode).type !== 'file') continue;
        mkdirSync(dirname(kernel), { recursive: true });
        writeFileSync(`${kernel}.new`, tree.readFile(inode));
        renameSync(`${kernel}.new`, kernel);
        return true;
      } finally {
        tree.close();
      }
    }
    return false;
  }
}
