import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LayerIndex } from '../../images/tree/layer-index.ts';
import { imageModels } from '../../images/names.ts';
import { SLICE } from '../../images/tree/slices.ts';
import type { FileType, ImageTree } from '../../images/tree/tree.ts';
import { type NodeModel, nodeModels } from '../models.ts';
import { KernelFacts } from './kernel-facts.ts';

/** What is looked at. The caller keeps the tree open meanwhile. */
export interface LintSource {
  labels: Readonly<Record<string, string>>;
  /** as the image's configuration names it */
  architecture: string;
  /** uncompressed bytes of all layers */
  sizeBytes: number;
  tree: ImageTree;
  /** of the tree's layers, the lowest first */
  layers: readonly LayerIndex[];
}
/** What the lab brings to a boot. */
export interface LintSettings {
  /** commands of the iPXE that nodes are served; undefined: not known */
  ipxeCommands: ReadonlySet<string> | undefined;
  /** memory of the node that boots it */
  ramBytes: number;
  /** the one to be booted; without it all of the image's are looked at */
  model?: string;
  signal?: AbortSignal;
}

/** bytes of a text file that are read at most; configuration files and scripts are far smaller */
const TEXT_LIMIT = 1 << 20;

/** An image as rules see it: every read is bounded, and what several rules need is found out once. */
export class LintImage {
  readonly source: LintSource;
  readonly settings: LintSettings;
  readonly tree: ImageTree;
  /** those of the label walt.node.models that can be booted here and are asked for */
  readonly models: readonly NodeModel[];
  readonly #kernels = new Map<string, KernelFacts>();

  constructor(source: LintSource, settings: LintSettings) {
    this.source = source;
    this.settings = settings;
    this.tree = source.tree;
    const named = imageModels({ ...source.labels });
    const isAsked = (name: string): boolean => settings.model === undefined || settings.model === name;
    this.models = nodeModels.filter(({ name }) => named.includes(name) && isAsked(name));
  }

  /** The kernel that nodes of a model boot. */
  kernel(model: NodeModel): KernelFacts {
    const known = this.#kernels.get(model.name) ?? new KernelFacts(this, model);
    this.#kernels.set(model.name, known);
    return known;
  }

  /** The type at a path, links followed; undefined when there is nothing. */
  type(path: string): FileType | undefined {
    const inode = this.tree.lookupPath(path);
    return inode === 0 ? undefined : this.tree.stat(inode).type;
  }
  isFile(path: string): boolean {
    return this.type(path) === 'file';
  }
  size(path: string): number {
    const inode = this.tree.lookupPath(path);
    return inode === 0 ? 0 : this.tree.stat(inode).size;
  }

  /** The first bytes of a file, links followed; empty when it is none. A path in a string is UTF-8. */
  head(path: string | Uint8Array, limit: number): Buffer {
    const inode = this.tree.lookupPath(path);
    if (inode === 0 || this.tree.stat(inode).type !== 'file') return Buffer.alloc(0);
    const content = Buffer.alloc(Math.min(limit, this.tree.stat(inode).size));
    return content.subarray(0, this.tree.read(inode, 0, content, 0, content.length));
  }
  text(path: string, limit = TEXT_LIMIT): string {
    return this.head(path, limit).toString('latin1');
  }

  /** Names in a folder, links followed; latin1 text. */
  names(path: string): string[] {
    const inode = this.tree.lookupPath(path);
    if (inode === 0 || this.tree.stat(inode).type !== 'directory') return [];
    return Array.from(this.tree.children(inode), ({ name }) => name.toString('latin1'));
  }

  /** Everything below a folder, which is not a link; others get a turn in between. Paths are latin1 text. */
  async *below(folder: string): AsyncGenerator<{ path: string; inode: number }> {
    const start = this.tree.lookupPath(folder, { follow: false });
    if (start === 0) return;
    const open = [{ path: folder === '/' ? '' : folder, inode: start }];
    let seen = 0;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const { name, inode } of this.tree.children(at.inode)) {
        if (++seen % SLICE === 0) await this.turn();
        const child = { path: `${at.path}/${name.toString('latin1')}`, inode };
        yield child;
        if (this.tree.stat(inode).type === 'directory') open.push(child);
      }
    }
  }

  /** Lets others run; throws when the check was cancelled. */
  async turn(): Promise<void> {
    await nextTurn();
    this.settings.signal?.throwIfAborted();
  }
}
