import { BootyardError } from '../errors.ts';
import { withLabels, withOneLayer } from '../images/derived.ts';
import { EditLocks } from '../images/edit-locks.ts';
import { type ExportFormat, exportImage } from '../images/export.ts';
import { type HistoryEntry, historyOf } from '../images/history.ts';
import { imageModels, imageName } from '../images/names.ts';
import type { ImportControl, Staging } from '../images/staging.ts';
import type { Derived, ImageRecord, ImportParams, ImageStore, OpenImage } from '../images/store.ts';
import { diffTrees, type LayeredTree, type TreeChange } from '../images/tree/tree-diff.ts';
import { treeTar } from '../images/tree/tree-tar.ts';
import type { StoreUsage } from '../images/usage.ts';
import { wouldReboot } from './image-saver.ts';
import type { NodeInfo } from './info.ts';

export interface OperationParts {
  images: ImageStore;
  nodes: () => NodeInfo[];
  reboot: (nodes: string[]) => Promise<unknown>;
}
type Control = Required<ImportControl>;
interface BroughtIn extends Pick<ImportParams, 'path' | 'name' | 'warn' | 'builtFrom' | 'recipe'> {
  session?: string | undefined;
}

/** What became of an image. */
export interface Changed {
  image: ImageRecord;
  /** false: it was so already */
  changed: boolean;
  /** nodes that used it and were rebooted */
  rebooted: string[];
}
export interface ImageDiff {
  count: number;
  /** of all; bytes of what is added, of what changed (as it is now), of what is gone */
  totals: Record<TreeChange['kind'], { count: number; bytes: number }>;
  /** as many as were asked for */
  changes: TreeChange[];
}
/** An image that `beginEdit` has locked, as it was then. */
export interface Editing {
  readonly image: string;
  readonly id: string;
  release(): void;
}
/** The client's end of an edit: it is over when that closes. */
export interface EditHolder {
  onClose(listener: () => void): void;
}
export type DiffOrder = 'path' | 'size' | 'layer';

/** More than any image of a distribution has; what is beyond is counted and not listed. */
const MAX_CHANGES = 200_000;

/** What is done to images as a whole. One task at a time changes an image; nodes that run on it are rebooted. */
export class ImageOperations {
  readonly #parts: OperationParts;
  readonly #locks = new EditLocks();
  /** by what their clients call them */
  readonly #held = new Map<string, Editing>();

  constructor(parts: OperationParts) {
    this.#parts = parts;
  }

  /** Throws `image.busy` while a task changes the image. */
  checkIdle(name: string): void {
    this.#locks.check(this.#known(name).name);
  }

  /** For a task that ends with `change` some time later; the result lets the image go, once. Throws `image.busy`. */
  beginEdit(name: string, task: string): Editing {
    const image = this.#known(name);
    const release = this.#locks.take(image.name, task);
    return { image: image.name, id: image.id, release };
  }

  /** As `beginEdit`, for a client that works with a container engine and ends with `bringIn`. */
  holdEdit(session: string, name: string, task: string, holder: EditHolder): void {
    const editing = this.beginEdit(name, task);
    this.#held.set(session, editing);
    holder.onClose(() => {
      editing.release();
      if (this.#held.get(session) === editing) this.#held.delete(session);
    });
  }

  history(name: string): HistoryEntry[] {
    const { images } = this.#parts;
    const record = this.#known(name);
    return historyOf(record, images.config(record.id), images.list());
  }

  usage(): StoreUsage {
    return this.#parts.images.usage();
  }

  /** Removes what no image needs; returns how many bytes it took. */
  async collect(): Promise<number> {
    const { images } = this.#parts;
    const before = images.usage();
    await images.collect();
    const after = images.usage();
    const taken = ({ unnamed, unreferenced, derivedBytes }: StoreUsage): number =>
      unnamed.bytes + unreferenced.bytes + derivedBytes;
    return Math.max(0, taken(before) - taken(after));
  }

  duplicate(name: string, as: string): ImageRecord {
    this.checkIdle(name);
    return this.#parts.images.duplicate(name, as);
  }

  rename(name: string, as: string): ImageRecord {
    const record = this.#known(name);
    this.#locks.check(record.name);
    const users = this.#users(record.name);
    if (users.length > 0) throw inUse(record.name, users);
    return this.#parts.images.rename(name, as);
  }

  /** Makes one layer of all; as another image if `as` is given. What nodes see of it stays the same. */
  async squash(name: string, as: string | undefined, force: boolean, control: Control): Promise<Changed> {
    const target = as === undefined ? undefined : imageName(as);
    return await this.change(
      name,
      { task: 'squash operation', target, force },
      control,
      async (image, staging) => {
        if (image.record.layers.length === 1 && target === undefined) return undefined;
        const doing = `Squashing ${image.record.layers.length} layers of ${image.record.name},`;
        const blob = await staging.write(treeTar(image.tree, { doing }, control));
        const squashed = await staging.indexed(blob, { needsEnd: true });
        const createdBy = `bootyard image squash ${image.record.name}`;
        return { config: withOneLayer(image.config, squashed, createdBy), squashed };
      },
    );
  }

  async label(
    name: string,
    added: Record<string, string>,
    removed: string[],
    force: boolean,
    control: Control,
  ): Promise<Changed> {
    const words = [...Object.entries(added).map(([key, value]) => `${key}=${value}`)];
    words.push(...removed.map((key) => `--remove ${key}`));
    return await this.change(name, { task: 'change of labels', force }, control, (image) => {
      const createdBy = `bootyard image label ${image.record.name} ${words.join(' ')}`;
      const config = withLabels(image.config, added, removed, createdBy);
      return Promise.resolve(config && { config });
    });
  }

  /**
   * Changes an image under its name, or makes `target` of it: `make` gives what it becomes, or undefined when that is how
   * it is. Nodes that run on what is replaced are rebooted; without `force` that is refused with `image.wouldReboot`, and a
   * `target` that is there with `image.exists`. Throws `image.busy`, and `image.changed` when somebody else replaced it.
   * `editing`: the image as it was when the task began counts, and need not be locked again.
   */
  async change(
    name: string,
    { task, target, force, editing }: { task: string; target?: string; force: boolean; editing?: Editing },
    control: Control,
    make: (image: OpenImage, staging: Staging) => Promise<Derived | undefined>,
  ): Promise<Changed> {
    const { images } = this.#parts;
    const source = this.#known(name).name;
    const replaced = target ?? source;
    const work = async (): Promise<Changed> => {
      if (target !== undefined) images.checkName(target, force || target === source);
      this.#checkConsent(replaced, force);
      const image = await (editing ? images.openId(editing.id) : images.open(source));
      const staging = images.staging(control);
      try {
        const made = await make(image, staging);
        if (made === undefined) return { image: image.record, changed: false, rebooted: [] };
        const check = (labels: Record<string, string>): void => {
          this.#checkConsent(replaced, force);
          this.#checkLabels(replaced, labels);
          if (replaced === source && images.get(source)?.id !== image.record.id)
            throw changedMeanwhile(source);
        };
        const mayReplace = force || replaced === source;
        const options = { name: replaced, force: mayReplace, signal: control.signal, check };
        const record = await images.derive(image, made, options);
        return { image: record, changed: true, rebooted: await this.#reboot(replaced) };
      } finally {
        staging.dispose();
        image.tree.close();
      }
    };
    return await (editing?.image === replaced ? work() : this.#locks.hold(replaced, task, work));
  }

  /**
   * Lets `work` make an image of that name, or replace it, while no other task changes it. Nodes that run go on with what
   * they have. Throws `image.busy`, and `image.inUse` when a node that uses the name could not boot what is for `models`.
   */
  async replace<T>(name: string, task: string, models: string[], work: () => Promise<T>): Promise<T> {
    const target = imageName(name);
    return await this.#locks.hold(target, task, async () => {
      this.#checkModels(target, models);
      return await work();
    });
  }

  /**
   * Brings in an image as it is. Nodes that run on one that it replaces go on with that until they boot again: `outdated`
   * names them. `source` is that of `ImageStore.import`. Throws `image.busy`, and `image.inUse` as `replace` does.
   */
  async import(source: ImportParams): Promise<{ image: ImageRecord; outdated: string[] }> {
    const { images } = this.#parts;
    const name = imageName(source.name);
    return await this.#locks.hold(name, 'image import', async () => {
      const before = images.get(name)?.id;
      const image = await images.import({ ...source, check: (labels) => this.#checkLabels(name, labels) });
      const isOther = before !== undefined && before !== image.id;
      return { image, outdated: isOther ? this.#running(name).map((node) => node.name) : [] };
    });
  }

  /**
   * Brings in an image that was built elsewhere, under a name that an image may have; then as `change` does. `source` is that of
   * `ImageStore.import`; `session`: whose edit of the image this ends.
   */
  async bringIn({ session = '', ...source }: BroughtIn, force: boolean, control: Control): Promise<Changed> {
    const { images } = this.#parts;
    const name = imageName(source.name);
    const work = async (): Promise<Changed> => {
      images.checkName(name, force);
      this.#checkConsent(name, force);
      const before = images.get(name)?.id;
      const check = (labels: Record<string, string>): void => this.#checkLabels(name, labels);
      const image = await images.import({ ...control, ...source, name, force, check });
      if (image.id === before) return { image, changed: false, rebooted: [] };
      return { image, changed: true, rebooted: await this.#reboot(name) };
    };
    const isHeld = this.#held.get(session)?.image === name;
    return await (isHeld ? work() : this.#locks.hold(name, 'image build', work));
  }

  /** Writes an image into a file on this host. */
  async export(
    name: string,
    target: { file: string; format: ExportFormat; force: boolean },
    control: Control,
  ): Promise<void> {
    const image = await this.#parts.images.open(name);
    try {
      await exportImage(image, target, control);
    } finally {
      image.tree.close();
    }
  }

  /** By what `to` differs from `from`; the first `limit` differences in an order. */
  async diff(
    from: string,
    to: string,
    order: DiffOrder,
    limit: number,
    control: Control,
  ): Promise<ImageDiff> {
    const { images } = this.#parts;
    const old = await images.open(from);
    try {
      const now = await images.open(to);
      try {
        return await this.#compare(layered(old), layered(now), order, limit, control);
      } finally {
        now.tree.close();
      }
    } finally {
      old.tree.close();
    }
  }

  async #compare(
    from: LayeredTree,
    to: LayeredTree,
    order: DiffOrder,
    limit: number,
    control: Control,
  ): Promise<ImageDiff> {
    const none = (): { count: number; bytes: number } => ({ count: 0, bytes: 0 });
    const totals = { A: none(), M: none(), D: none() };
    const changes: TreeChange[] = [];
    for await (const change of diffTrees(from, to, control)) {
      const total = totals[change.kind];
      total.count++;
      total.bytes += change.sizeBytes;
      if (changes.length < MAX_CHANGES) changes.push(change);
    }
    if (order === 'size') changes.sort((a, b) => b.sizeBytes - a.sizeBytes);
    if (order === 'layer') changes.sort((a, b) => layerRank(a) - layerRank(b));
    const count = totals.A.count + totals.M.count + totals.D.count;
    return { count, totals, changes: changes.slice(0, limit) };
  }

  async #reboot(image: string): Promise<string[]> {
    const names = this.#running(image).map((node) => node.name);
    if (names.length > 0) await this.#parts.reboot(names);
    return names;
  }

  #known(name: string): ImageRecord {
    return this.#parts.images.named(name);
  }
  #users(image: string): NodeInfo[] {
    return this.#parts.nodes().filter((node) => node.image === image);
  }
  /** A node that is off sees the change when it boots. */
  #running(image: string): NodeInfo[] {
    return this.#users(image).filter(({ state }) => state !== 'off');
  }
  #checkConsent(image: string, force: boolean): void {
    const running = this.#running(image);
    if (running.length > 0 && !force) throw wouldReboot(running);
  }

  #checkLabels(name: string, labels: Record<string, string>): void {
    this.#checkModels(name, imageModels(labels));
  }

  /** Nodes that use an image must be able to boot it afterwards: throws `image.inUse`. */
  #checkModels(name: string, wanted: string[]): void {
    const models = this.#parts.images.get(name)?.models ?? [];
    const lost = this.#users(name).filter(({ model }) => models.includes(model) && !wanted.includes(model));
    if (lost.length === 0) return;
    const nodes = lost.map((node) => `${node.name} (${node.model})`).join(', ');
    throw new BootyardError(
      'image.inUse',
      `Sorry, cannot proceed because the image is in use. With these labels it would not be compatible with ${nodes}.`,
      { image: name, nodes: lost.map((node) => node.name) },
    );
  }
}

/** What lies on top comes first; what is gone last. */
function layerRank({ kind, layer }: TreeChange): number {
  return kind === 'D' ? 1e6 - (layer ?? 0) : -(layer ?? 0);
}

function layered({ tree, record }: OpenImage): LayeredTree {
  return { tree, layers: record.layers.map(({ digest }) => digest) };
}

function changedMeanwhile(image: string): BootyardError {
  return new BootyardError(
    'image.changed',
    `The image '${image}' was replaced meanwhile: nothing was changed. Try again.`,
    {
      image,
    },
  );
}

export function inUse(image: string, users: readonly { name: string }[]): BootyardError {
  const nodes = users.map((node) => node.name);
  const sentence = `Sorry, cannot proceed because the image is in use. Nodes that boot '${image}': ${nodes.join(', ')}.`;
  return new BootyardError('image.inUse', sentence, { image, nodes });
}
