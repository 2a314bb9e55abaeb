import { randomBytes } from 'node:crypto';
import { nodeOutput } from '../agent/node-output.ts';
import { BootyardError } from '../errors.ts';
import {
  type Diff,
  diffLayer,
  type DiffInput,
  type LayerChange,
  type NodeXattrs,
} from '../images/diff-layer.ts';
import type { LayerIndex } from '../images/tree/layer-index.ts';
import { pace } from '../images/pace.ts';
import type { ImportControl, StagedLayer, Staging } from '../images/staging.ts';
import type { ImageRecord, ImageStore } from '../images/store.ts';
import { XattrListReader } from '../images/tree/xattr-list.ts';
import type { NodeInfo } from './info.ts';

/** What of a node's boot plan is asked for. */
export interface BootedImage {
  imageId: string;
  /** the index of the injected layer alone */
  injected(): LayerIndex;
}
export interface SaverParts {
  images: ImageStore;
  node: (name: string) => NodeInfo;
  /** undefined for a node that is off */
  booted: (mac: string) => BootedImage | undefined;
  /** what to start here to run a command in a node */
  argv: (ip: string, command: string) => string[];
  /** nodes that run on, or boot, an image */
  users: (image: string) => NodeInfo[];
  reboot: (nodes: string[]) => Promise<unknown>;
}

/** What a node's root file system has that its image has not, ready to be saved. */
export interface NodeDiff {
  /** for one `save` or `drop`; good for ten minutes, or until the next difference of this node; empty: nothing is kept */
  id: string;
  image: string;
  count: number;
  /** the first ones */
  changes: LayerChange[];
}

const INTERNAL = '/bin/_walt_internal_';
const KEPT_MS = 10 * 60_000;
const SHOWN = 10_000;
const MAX_NAMES = 128 << 20;
/** What WalT never saves: logs, locks, and what belongs to one node or boot. */
const FILTERED = /\/log\/|\.lock$|machine-id|walt-env|_walt_internal_|README\.nonlocal/;
/** What every boot makes, or takes away from an image that has it. */
const MADE_AT_BOOT = new Set(['local', 'persist', 'etc/hostname', 'var/lib/walt', 'var/lib/walt/logs.fifo']);

/** What a node has changed, as a layer on its image. */
export interface KeptDiff {
  node: string;
  imageId: string;
  layer: StagedLayer;
  staging: Staging;
}
interface Waiting extends KeptDiff {
  timer: NodeJS.Timeout;
}

/** Makes images of what nodes have changed on theirs (WalT: `node save`, `node cp … booted-image`). */
export class ImageSaver {
  readonly #parts: SaverParts;
  readonly #waiting = new Map<string, Waiting>();

  constructor(parts: SaverParts) {
    this.#parts = parts;
  }

  /** Compares a node with its image; `keep`: for `save`. Nothing is changed. Throws when the node cannot be asked. */
  async diff(name: string, keep: boolean, control: Required<ImportControl>): Promise<NodeDiff> {
    const { node, booted } = this.#booted(name);
    this.#forget(node.name);
    const staging = this.#parts.images.staging(control);
    try {
      control.progress({ message: `Reading what ${node.name} has changed` });
      const command = `${INTERNAL}/walt-dump-diff-tar`;
      const dump = await this.#dump(node, command, staging, control);
      const xattrs = await this.#xattrs(node, `${command} --xattrs`, control.signal);
      const present = await this.#present(node, `${command} --present`, control.signal);
      const injected = injectedPaths(booted.injected());
      const owned = ownedPaths(injected);
      const isExcluded = (path: string): boolean =>
        owned.has(path) || MADE_AT_BOOT.has(path) || FILTERED.test(`/${path}`);
      control.progress({ message: `Comparing ${node.name} with its image` });
      const input = { dump, xattrs, present, injected, isExcluded, listOnly: !keep };
      const { changes, layer } = await this.#compare(booted.imageId, input, staging);
      control.signal.throwIfAborted();
      const id = layer ? this.#keep(node.name, booted.imageId, layer, staging) : '';
      return { id, image: node.image, count: changes.length, changes: changes.slice(0, SHOWN) };
    } finally {
      if (![...this.#waiting.values()].some((other) => other.staging === staging)) staging.dispose();
    }
  }

  /**
   * Saves a difference as an image; it is not kept any more then, whatever comes of it. Throws `image.exists` without
   * `force`, `node.diffGone`, and the reason of the signal, in which case there is nothing of the image.
   */
  async save(
    id: string,
    image: string,
    force: boolean,
    { signal, progress }: Required<ImportControl>,
  ): Promise<ImageRecord> {
    const { imageId: base, layer, node, staging } = this.take(id);
    try {
      progress({ message: `Adding ${layer.index.count} files (${(layer.size / 1e6).toFixed(1)} MB)` });
      const createdBy = `bootyard node save ${node} ${image}`;
      return await this.#parts.images.addLayer({ base, layer, name: image, createdBy, force, signal });
    } finally {
      staging.dispose();
    }
  }

  /** Hands a difference over, once; the taker disposes its staging. Throws `node.diffGone`. */
  take(id: string): KeptDiff {
    const waiting = this.#take(id);
    if (waiting) return waiting;
    throw new BootyardError('node.diffGone', 'This difference is not kept any more: save the node again.');
  }

  /** A difference that will not be saved; one that is not kept is none. */
  drop(id: string): void {
    this.#take(id)?.staging.dispose();
  }

  /** Throws the sentence of `save` for a name that cannot be used, before anything is read. */
  checkName(image: string, force: boolean): void {
    this.#parts.images.checkName(image, force);
  }

  /**
   * Puts a path of a node into the image that the node is booted on, and reboots the nodes that use the image. Without
   * `force` it only throws `image.wouldReboot`, if there is something to do.
   */
  async push(
    name: string,
    path: string,
    force: boolean,
    control: Required<ImportControl>,
  ): Promise<{ image: string; rebooted: string[] }> {
    const { node, booted } = this.#booted(name);
    const check = (): void => {
      if (this.#parts.images.get(node.image)?.id === booted.imageId) return;
      throw new BootyardError(
        'node.otherImage',
        `The image '${node.image}' has changed since ${node.name} booted it: reboot the node first.`,
      );
    };
    check();
    const staging = this.#parts.images.staging(control);
    try {
      const quoted = `'${path.replaceAll("'", "'\\''")}'`;
      const dump = await this.#dump(node, `${INTERNAL}/walt-tar-send ${quoted}`, staging, control);
      const list = `${INTERNAL}/walt-dump-diff-tar --xattrs ${quoted}`;
      const xattrs = await this.#xattrs(node, list, control.signal);
      const injected = injectedPaths(booted.injected());
      const owned = ownedPaths(injected);
      const isExcluded = (entry: string): boolean => owned.has(entry);
      const bytes = Buffer.from(path.slice(1, path.lastIndexOf('/'))).toString('latin1');
      const input = { dump, xattrs, below: bytes, injected, isExcluded };
      const { layer } = await this.#compare(booted.imageId, input, staging);
      if (layer === undefined) return { image: node.image, rebooted: [] };
      const users = this.#parts.users(node.image);
      if (!force) throw wouldReboot(users);
      const createdBy = `bootyard node cp ${node.name}:${path} booted-image`;
      const target = { base: booted.imageId, layer, name: node.image, createdBy, force: true };
      await this.#parts.images.addLayer({ ...target, signal: control.signal, check });
      const rebooted = users.filter(({ state }) => state !== 'off').map((user) => user.name);
      if (rebooted.length > 0) await this.#parts.reboot(rebooted);
      return { image: node.image, rebooted };
    } finally {
      staging.dispose();
    }
  }

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.drop(id);
  }

  #booted(name: string): { node: NodeInfo; booted: BootedImage } {
    const node = this.#parts.node(name);
    const booted = this.#parts.booted(node.mac);
    if (node.state === 'booted' && booted !== undefined) return { node, booted };
    throw new BootyardError('node.notBooted', `Node ${node.name} is ${node.state}: boot it first.`, {
      node: name,
    });
  }

  async #dump(
    node: NodeInfo,
    command: string,
    staging: Staging,
    { signal, progress }: Required<ImportControl>,
  ): Promise<StagedLayer> {
    const chunks = nodeOutput(this.#parts.argv(node.ip, command), signal);
    const blob = await staging.write(counted(chunks, node.name, progress));
    return await staging.indexed(blob, { needsEnd: true });
  }

  /** Names that the node's folders have now, as latin1 text. */
  async #present(node: NodeInfo, command: string, signal: AbortSignal): Promise<Set<string>> {
    const present = new Set<string>();
    for await (const name of this.#pieces(node, command, '\0', signal))
      present.add(name.replace(/^\.\//, ''));
    return present;
  }

  /** Extended attributes of what the node has changed. */
  async #xattrs(node: NodeInfo, command: string, signal: AbortSignal): Promise<NodeXattrs> {
    const reader = new XattrListReader();
    let head: string | undefined;
    for await (const line of this.#pieces(node, command, '\n', signal)) {
      if (head !== undefined) reader.take(line);
      else if (/^(un)?seen$/.test(line)) head = line;
      else break;
    }
    if (head !== undefined) return { found: reader.found, seesImage: head === 'seen' };
    throw new BootyardError('node.diff', `${node.name} has the scripts of another version: reboot it first.`);
  }

  /** What a command in a node prints, in pieces that `end` ends; latin1 text. */
  async *#pieces(
    node: NodeInfo,
    command: string,
    end: string,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, undefined> {
    let rest = '';
    let size = 0;
    for await (const chunk of nodeOutput(this.#parts.argv(node.ip, command), signal)) {
      size += chunk.length;
      if (size > MAX_NAMES)
        throw new BootyardError('node.diff', `${node.name} names more files than can be.`);
      const pieces = (rest + chunk.toString('latin1')).split(end);
      rest = pieces.pop() ?? '';
      yield* pieces;
    }
  }

  async #compare(imageId: string, input: Omit<DiffInput, 'base'>, staging: Staging): Promise<Diff> {
    const base = await this.#parts.images.tree(imageId);
    try {
      return await diffLayer({ ...input, base }, staging);
    } finally {
      base.close();
    }
  }

  #keep(node: string, imageId: string, layer: StagedLayer, staging: Staging): string {
    const id = randomBytes(8).toString('hex');
    const timer = setTimeout(() => this.drop(id), KEPT_MS);
    timer.unref();
    this.#waiting.set(id, { node, imageId, layer, staging, timer });
    return id;
  }

  #take(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #forget(node: string): void {
    for (const [id, waiting] of this.#waiting) if (waiting.node === node) this.drop(id);
  }
}

function injectedPaths(injected: LayerIndex): string[] {
  return Array.from({ length: injected.count }, (_, at) => injected.path(at));
}

/** Paths that the injected layer brings or takes away: they are Bootyard's, and new at each boot. */
function ownedPaths(injected: readonly string[]): Set<string> {
  return new Set(injected.map((path) => path.replace(/(^|\/)\.wh\.([^/]+)$/, '$1$2')));
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  node: string,
  progress: Required<ImportControl>['progress'],
): AsyncGenerator<Buffer> {
  const isDue = pace();
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    yield chunk;
    if (isDue()) progress({ message: `Reading from ${node}: ${(size / 1e6).toFixed(1)} MB` });
  }
}

/** WalT's sentence, for the user's consent. */
export function wouldReboot(users: NodeInfo[]): BootyardError {
  return new BootyardError(
    'image.wouldReboot',
    `This operation would reboot ${users.length} node(s) currently using the image.`,
    { nodes: users.map((user) => user.name) },
  );
}
