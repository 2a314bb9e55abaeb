import type { ImageStore } from '../images/store.ts';
import { ImageEditor } from './image-editor.ts';
import { ImageFixer } from './image-fixer.ts';
import { ImageOperations } from './image-operations.ts';
import { ImageSaver, type SaverParts } from './image-saver.ts';
import { ImageShells } from './image-shells.ts';
import type { NodeManager } from './manager.ts';
import { TemporaryNodes } from './temporary-node.ts';

export interface ImageWorkParts extends Pick<SaverParts, 'booted' | 'argv'> {
  images: ImageStore;
  nodes: NodeManager;
  log: (line: string) => void;
}

/** All that changes images, as a whole, by file, or by what nodes have made of them. */
export class ImageWork {
  readonly operations: ImageOperations;
  readonly saver: ImageSaver;
  readonly temporary: TemporaryNodes;
  readonly shells: ImageShells;
  readonly editor: ImageEditor;
  readonly fixer: ImageFixer;

  constructor({ images, nodes, booted, argv, log }: ImageWorkParts) {
    const reboot = (names: string[]) => nodes.reboot(names, false);
    const users = (image: string) => nodes.list().filter((node) => node.image === image);
    this.operations = new ImageOperations({ images, nodes: () => nodes.list(), reboot });
    this.saver = new ImageSaver({ images, node: (name) => nodes.one(name), booted, argv, users, reboot });
    this.temporary = new TemporaryNodes({ nodes, argv, log });
    const imageOf = (node: string) => nodes.one(node).image;
    const { operations, saver, temporary } = this;
    this.shells = new ImageShells({ images, operations, saver, temporary, imageOf });
    this.editor = new ImageEditor(images, operations);
    this.fixer = new ImageFixer(images, operations);
  }
}
