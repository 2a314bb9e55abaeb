import { copyFile } from 'node:fs/promises';
import { BootyardError } from '../errors.ts';
import { checkLayerCount, fullHistory, withLayer, withoutTop } from '../images/derived.ts';
import { type Edit, editLayer } from '../images/files/edit.ts';
import { stackedTree, treeLayer } from '../images/files/tree-layer.ts';
import { imageName } from '../images/names.ts';
import type { Config } from '../images/oci.ts';
import type { ImportControl, StagedLayer, Staging } from '../images/staging.ts';
import type { Derived, ImageStore, OpenImage } from '../images/store.ts';
import type { Changed, ImageOperations } from './image-operations.ts';

type Control = Required<ImportControl>;

/** An image of the store that is edited in the place of another one. */
export interface WorkingCopy {
  name: string;
  /** the image that it is of */
  base: string;
  /** something was saved in it */
  isChanged: boolean;
  /** its image has become another one since: it can only be saved under another name */
  isStale: boolean;
}

/** What a working copy's history says of it. */
const MARK = /^bootyard: working copy of (\S+) ([0-9a-f]{64})$/;
const TASK = 'edit';

/**
 * Edits images file by file. A working copy is an image of its own, `<image>:edit`, so nodes can boot it, and neither the
 * death of a window nor that of the daemon loses what was saved in it. Each edit gives it a new layer on top of its image,
 * in the place of that of the edit before: there is one layer more, however long somebody edits.
 */
export class ImageEditor {
  readonly #images: ImageStore;
  readonly #operations: ImageOperations;
  /** the last edit of each image: they are done one after the other */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(images: ImageStore, operations: ImageOperations) {
    this.#images = images;
    this.#operations = operations;
  }

  /** The working copy of an image, made when there is none; of a working copy itself. Throws as `ImageOperations.change`. */
  async open(image: string, control: Control): Promise<WorkingCopy> {
    const { name } = this.#images.named(image);
    if (this.#mark(name)) return this.state(name);
    const working = workingName(name);
    return await this.#inTurn(working, async () => {
      const old = this.#images.get(working) && this.#known(working, name);
      if (old && (old.isChanged || !old.isStale)) return old;
      const task = { task: TASK, target: working, force: old !== undefined };
      await this.#operations.change(name, task, control, ({ record, config }) => {
        checkLayerCount(record);
        return Promise.resolve({ config: marked(config, record) });
      });
      return this.state(working);
    });
  }

  /** Throws `image.noWorkingCopy` for an image that is none. */
  state(working: string): WorkingCopy {
    const { name, id } = this.#images.named(working);
    const mark = this.#mark(name);
    if (!mark) throw noWorkingCopy(name);
    const isChanged = isEdited(this.#images.config(id));
    return { name, base: mark.base, isChanged, isStale: this.#images.get(mark.base)?.id !== mark.id };
  }

  /** Does an edit to a working copy. Throws as `editLayer` and `ImageOperations.change`. */
  async edit(working: string, edit: Edit, force: boolean, control: Control): Promise<Changed> {
    const { name } = this.state(working);
    return await this.#inTurn(name, () =>
      this.#operations.change(name, { task: TASK, force }, control, (image, staging) =>
        this.#edited(image, edit, staging),
      ),
    );
  }

  async #edited(image: OpenImage, edit: Edit, staging: Staging): Promise<Derived> {
    const { base } = this.state(image.record.name);
    const indexes = await this.#images.layerIndexes(image.record);
    const kept = indexes.length - (isEdited(image.config) ? 1 : 0);
    const added = await editLayer(image.tree, edit, staging);
    const above = await topOf(image, indexes, kept, staging);
    const from = await stackedTree(image, indexes, kept, []);
    try {
      const to = await stackedTree(image, indexes, kept, [...above, added]);
      try {
        const layer = await treeLayer(from, to, staging);
        const config = isEdited(image.config) ? withoutTop(image.config) : image.config;
        if (!layer) return { config, kept };
        return { config: withLayer(config, layer, `bootyard image edit ${base}`), added: [layer], kept };
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
  }

  /**
   * Makes what was edited the image that the working copy is of, with one more layer, or another image, `as`. Throws as
   * `ImageOperations.change`, and `image.changed` when the image is not what it was when it was opened.
   */
  async save(working: string, as: string | undefined, force: boolean, control: Control): Promise<Changed> {
    const { name } = this.state(working);
    return await this.#inTurn(name, async () => {
      if (as !== undefined) return await this.#saveAs(name, imageName(as), force, control);
      const { base, isStale } = this.state(name);
      if (isStale) throw stale(base, name);
      const saved = await this.#operations.change(base, { task: TASK, force }, control, (image, staging) =>
        this.#withEdits(image, name, staging),
      );
      if (saved.changed) await this.#follow(name, base);
      return saved;
    });
  }

  async #saveAs(working: string, as: string, force: boolean, control: Control): Promise<Changed> {
    return await this.#operations.change(working, { task: TASK, target: as, force }, control, ({ config }) =>
      Promise.resolve({
        config: { ...config, history: config.history?.filter((_, at) => at !== markOf(config)?.at) },
      }),
    );
  }

  /** The image with the layer of its working copy on top. */
  async #withEdits(image: OpenImage, working: string, staging: Staging): Promise<Derived | undefined> {
    const copy = await this.#images.open(working);
    try {
      if (markOf(copy.config)?.id !== image.record.id) throw stale(image.record.name, working);
      const indexes = await this.#images.layerIndexes(copy.record);
      const [layer] = isEdited(copy.config)
        ? await topOf(copy, indexes, indexes.length - 1, staging)
        : [undefined];
      if (!layer) return undefined;
      const config = withLayer(image.config, layer, `bootyard image edit ${image.record.name}`);
      return { config, added: [layer] };
    } finally {
      copy.tree.close();
    }
  }

  /** A working copy of what was saved just now has the same files, so the nodes that run on it may go on. */
  async #follow(working: string, base: string): Promise<void> {
    const image = await this.#images.open(base);
    try {
      const config = marked(image.config, image.record);
      await this.#images.derive(image, { config }, { name: working, force: true });
    } finally {
      image.tree.close();
    }
  }

  /** An image that was duplicated of a working copy, or renamed, is none. */
  #mark(image: string): { base: string; id: string } | undefined {
    const mark = markOf(this.#images.config(this.#images.named(image).id));
    return mark && workingName(mark.base) === image ? mark : undefined;
  }

  #known(working: string, base: string): WorkingCopy {
    const mark = this.#mark(working);
    if (mark?.base === base) return this.state(working);
    const sentence = `The image '${working}' is no working copy of '${base}', and has its name: rename or remove it first.`;
    throw new BootyardError('image.exists', sentence, { image: working });
  }

  async #inTurn<T>(image: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(image) ?? Promise.resolve()).then(work, work);
    this.#turns.set(image, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(image) === turn) this.#turns.delete(image);
    }
  }
}

/** `demo` → `demo:edit`, `user/demo:v1` → `user/demo:v1-edit` */
function workingName(image: string): string {
  return image.includes(':') ? `${image}-edit` : `${image}:edit`;
}

/** `at`: its place in the history */
function markOf({ history }: Config): { base: string; id: string; at: number } | undefined {
  const comments = (history ?? []).map(({ comment }) => (typeof comment === 'string' ? comment : ''));
  const at = comments.findLastIndex((comment) => MARK.test(comment));
  const [, base, id] = MARK.exec(comments[at] ?? '') ?? [];
  return base === undefined || id === undefined ? undefined : { base, id, at };
}

/** Behind the mark comes the layer of what was edited. */
function isEdited(config: Config): boolean {
  const mark = markOf(config);
  return mark !== undefined && mark.at < (config.history?.length ?? 0) - 1;
}

function marked(config: Config, { name, id }: { name: string; id: string }): Config {
  const created = new Date().toISOString();
  const comment = `bootyard: working copy of ${name} ${id}`;
  const step = { created, created_by: `bootyard image edit ${name}`, comment, empty_layer: true };
  return { ...config, history: [...fullHistory(config), step] };
}

/** The layers from `kept` on as files of their own, which the store may take. */
async function topOf(
  image: OpenImage,
  indexes: readonly StagedLayer['index'][],
  kept: number,
  staging: Staging,
): Promise<StagedLayer[]> {
  const layers = image.record.layers.slice(kept);
  return await Promise.all(
    layers.map(async ({ digest, size }, at) => {
      const file = staging.newFile();
      await copyFile(image.blob(digest), file);
      const index = indexes[kept + at];
      if (!index) throw new Error('a layer has no index');
      return { file, digest, size, index };
    }),
  );
}

function noWorkingCopy(image: string): BootyardError {
  return new BootyardError('image.noWorkingCopy', `The image '${image}' is not opened for edits.`, { image });
}

function stale(base: string, working: string): BootyardError {
  return new BootyardError(
    'image.changed',
    `The image '${base}' has changed, or is gone, since '${working}' was made of it: save that under another name, or discard it.`,
    { image: base },
  );
}
