import { BootyardError } from '../errors.ts';
import { checkLayerCount, withLayer } from '../images/derived.ts';
import type { ImportControl } from '../images/staging.ts';
import type { ImageStore } from '../images/store.ts';
import type { Changed, Editing, ImageOperations } from './image-operations.ts';
import type { ImageSaver, NodeDiff } from './image-saver.ts';
import type { TemporaryNode, TemporaryNodes } from './temporary-node.ts';

export interface ShellParts {
  images: ImageStore;
  operations: Pick<ImageOperations, 'beginEdit' | 'change'>;
  saver: Pick<ImageSaver, 'diff' | 'take' | 'drop'>;
  temporary: Pick<TemporaryNodes, 'boot' | 'take'>;
  /** name of the image that a node boots */
  imageOf: (node: string) => string;
}
/** The client's end: the shell ends with it. */
export interface ShellHolder {
  onClose(listener: () => void): void;
}
type Control = Required<ImportControl>;

interface OpenShell {
  node: TemporaryNode;
  editing: Editing;
  holder: ShellHolder;
  /** what a boot alone makes, before anybody types */
  atBoot: ReadonlySet<string>;
}

export const SHELL_TASK = 'shell session';
const NODE_NAME = 'image-shell';

/**
 * Root shells in images: each in a temporary node that is booted on its image, which no other task may change meanwhile.
 * Whoever opens one holds it; what was changed can be saved as a layer until it is let go.
 */
export class ImageShells {
  readonly #parts: ShellParts;
  readonly #open = new Map<string, OpenShell>();

  constructor(parts: ShellParts) {
    this.#parts = parts;
  }

  /**
   * Boots the node; its name is the answer. `saveAs`: a name that cannot be used is refused first. Throws as
   * `TemporaryNodes.boot`, `image.busy`, `image.tooManyLayers`, `image.exists`.
   */
  async open(
    image: string,
    saveAs: { image: string; force: boolean } | undefined,
    holder: ShellHolder,
    control: Control,
  ): Promise<string> {
    const { images, operations, temporary, saver } = this.#parts;
    const record = images.named(image);
    checkLayerCount(record);
    if (saveAs) images.checkName(saveAs.image, saveAs.force || images.get(saveAs.image) === record);
    const editing = operations.beginEdit(record.name, SHELL_TASK);
    try {
      const node = await temporary.boot({ image: record.name, name: NODE_NAME }, control);
      try {
        const { changes } = await saver.diff(node.name, false, control);
        this.#keep({ node, editing, holder, atBoot: new Set(changes.map(describe)) });
        control.signal.throwIfAborted();
        return node.name;
      } catch (error) {
        this.#open.delete(node.name);
        await node.remove();
        throw error;
      }
    } catch (error) {
      editing.release();
      throw error;
    }
  }

  /** The client is there again, maybe after a restart of the daemon. Throws `node.unknown` for a shell that is gone. */
  hold(name: string, holder: ShellHolder): void {
    const known = this.#open.get(name);
    if (known) return this.#keep({ ...known, holder });
    const node = this.#parts.temporary.take(name);
    const editing = this.#parts.operations.beginEdit(this.#parts.imageOf(name), SHELL_TASK);
    this.#keep({ node, editing, holder, atBoot: new Set() });
  }

  /** What was changed, kept for `save`. What a boot alone makes is none. */
  async diff(name: string, control: Control): Promise<NodeDiff> {
    const { atBoot } = this.#known(name);
    const { saver } = this.#parts;
    const diff = await saver.diff(name, true, control);
    // A file may have other bytes than it had after the boot, so it counts.
    if (diff.changes.some((change) => change.type === 'file' || !atBoot.has(describe(change)))) return diff;
    saver.drop(diff.id);
    return { ...diff, id: '', count: 0, changes: [] };
  }

  /**
   * Adds a difference to the image as a layer, or makes the image `target` of it. Throws as `ImageOperations.change`, which
   * leaves the difference as it is, and `node.diffGone`.
   */
  async save(name: string, id: string, target: string, force: boolean, control: Control): Promise<Changed> {
    const { editing } = this.#known(name);
    const { operations, saver, images } = this.#parts;
    const isSame = images.get(target)?.name === editing.image;
    const wish = { task: SHELL_TASK, force, editing, ...(isSame ? {} : { target }) };
    let dispose = (): void => {};
    try {
      return await operations.change(editing.image, wish, control, (image) => {
        const { layer, imageId, staging } = saver.take(id);
        dispose = () => staging.dispose();
        if (imageId !== image.record.id)
          throw new BootyardError('node.diffGone', 'The node booted another image.');
        const createdBy = `bootyard image shell ${editing.image}`;
        return Promise.resolve({ config: withLayer(image.config, layer, createdBy), added: [layer] });
      });
    } finally {
      dispose();
    }
  }

  #keep(shell: OpenShell): void {
    const { name } = shell.node;
    this.#open.set(name, shell);
    shell.holder.onClose(() => {
      const current = this.#open.get(name);
      if (current?.holder !== shell.holder) return;
      this.#open.delete(name);
      void current.node.remove().finally(() => current.editing.release());
    });
  }

  #known(name: string): OpenShell {
    const shell = this.#open.get(name);
    if (shell) return shell;
    throw new BootyardError('node.unknown', `There is no image shell on a node ${name} any more.`, {
      node: name,
    });
  }
}

function describe({ path, kind, type }: NodeDiff['changes'][number]): string {
  return `${kind} ${type} ${path}`;
}
