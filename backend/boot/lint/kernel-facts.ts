import {
  BANNER,
  bannerRelease,
  bzImageRelease,
  KERNEL_HEAD,
  type KernelKind,
  kernelKind,
} from '../kernel-file.ts';
import { moduleName, moduleNames, parseDependencies } from '../kernel-modules.ts';
import type { NodeModel } from '../models.ts';
import type { LintImage } from './image.ts';
import { type InitrdContents, readInitrd } from './initrd-contents.ts';

const CHUNK = 1 << 20;
/** How much of a kernel is searched for its banner, bytes. */
const MAX_KERNEL = 256 << 20;
/** Lists of modules; a distribution's are below 1 MB. */
const MAX_LIST = 4 << 20;

/** Where the kernel has a module: built in, in /lib/modules, in the initrd. */
export interface ModulePlaces {
  builtIn: boolean;
  root: boolean;
  /** undefined: the initrd cannot be read to its end */
  initrd: boolean | undefined;
}

/** The kernel and initrd that nodes of one model boot. Everything is read at most once. */
export class KernelFacts {
  readonly path: string;
  readonly initrdPath: string;
  readonly kind: KernelKind | undefined;
  readonly #image: LintImage;
  #release: Promise<string | undefined> | undefined;
  #modules: { builtIn: Set<string>; root: Map<string, string> } | undefined;
  #initrd: Promise<InitrdContents | undefined> | undefined;

  constructor(image: LintImage, { name }: NodeModel) {
    this.#image = image;
    this.path = `/boot/${name}/kernel`;
    this.initrdPath = `/boot/${name}/initrd`;
    this.kind = kernelKind(image.head(this.path, KERNEL_HEAD));
  }

  /** As in `uname -r`; undefined when the kernel does not say. */
  release(): Promise<string | undefined> {
    this.#release ??= this.#readRelease();
    return this.#release;
  }

  async #readRelease(): Promise<string | undefined> {
    if (this.kind?.format === 'bzImage') return bzImageRelease(this.#image.head(this.path, KERNEL_HEAD));
    if (this.kind?.format !== 'Image') return undefined;
    let before: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#chunks(this.path, MAX_KERNEL)) {
      const bytes = Buffer.concat([before, chunk]);
      const release = bannerRelease(bytes);
      if (release !== undefined) return release;
      before = Buffer.from(bytes.subarray(-(BANNER.length + 256)));
    }
    return undefined;
  }

  /** The folder of the kernel's modules, whether it is there or not; undefined when the release is not known. */
  async moduleFolder(): Promise<string | undefined> {
    const release = await this.release();
    return release === undefined || !/^[\w.+~-]+$/.test(release) ? undefined : `/lib/modules/${release}`;
  }

  /** undefined: without a folder of modules it cannot be told what is built in. */
  async find(module: string): Promise<ModulePlaces | undefined> {
    const folder = await this.moduleFolder();
    if (folder === undefined || this.#image.type(folder) !== 'directory') return undefined;
    this.#modules ??= {
      builtIn: moduleNames(this.#image.text(`${folder}/modules.builtin`, MAX_LIST)),
      root: parseDependencies(this.#image.text(`${folder}/modules.dep`, MAX_LIST)).byName,
    };
    const { builtIn, root } = this.#modules;
    const file = root.get(module);
    const initrd = await this.initrd();
    return {
      builtIn: builtIn.has(module),
      root: file !== undefined && this.#image.isFile(`${folder}/${file}`),
      initrd: initrd !== undefined && this.#inInitrd(initrd, module),
    };
  }

  #moduleNames: Set<string> | undefined;
  #inInitrd({ names, problem }: InitrdContents, module: string): boolean | undefined {
    this.#moduleNames ??= new Set(
      [...names].filter((name) => /\.ko(\.\w+)?$/.test(name)).map((name) => moduleName(name)),
    );
    return this.#moduleNames.has(module) || (problem === undefined ? false : undefined);
  }

  /** undefined: there is none. */
  initrd(): Promise<InitrdContents | undefined> {
    this.#initrd ??= this.#image.isFile(this.initrdPath)
      ? readInitrd(this.#chunks(this.initrdPath, Infinity), this.#image.settings.signal)
      : Promise.resolve(undefined);
    return this.#initrd;
  }

  async *#chunks(path: string, limit: number): AsyncGenerator<Buffer> {
    const { tree } = this.#image;
    const inode = tree.lookupPath(path);
    const size = Math.min(this.#image.size(path), limit);
    for (let position = 0; position < size; position += CHUNK) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - position));
      await tree.readCold(inode, position, chunk, 0, chunk.length);
      this.#image.settings.signal?.throwIfAborted();
      yield chunk;
    }
  }
}
