import * as vscode from 'vscode';
import * as z from 'zod';
import type { LabModel } from '../daemon/lab-model.ts';
import { droppedFiles, FILES_MIME, IMAGES_MIME, URI_LIST_MIME } from '../images/image-drag.ts';
import { isOn } from './node-row.ts';
import type { NodeElement } from './nodes-tree.ts';

const Names = z.array(z.string());

/**
 * An image dropped on a node boots the node on it; dropped beside the nodes it boots on a new one. Files dropped on a
 * node are copied into it.
 */
export class NodeDrop implements vscode.TreeDragAndDropController<NodeElement> {
  readonly dropMimeTypes = [IMAGES_MIME, URI_LIST_MIME, FILES_MIME];
  readonly dragMimeTypes: string[] = [];
  readonly #model: LabModel;

  constructor(model: LabModel) {
    this.#model = model;
  }

  async handleDrop(target: NodeElement | undefined, data: vscode.DataTransfer): Promise<void> {
    const [image] = await draggedImages(data);
    if (!image) {
      const files = await droppedFiles(data);
      if (target && files.length > 0)
        await vscode.commands.executeCommand('bootyard.node.copyTo', target, undefined, { files });
    } else if (!target) await vscode.commands.executeCommand('bootyard.image.bootNewNode', image);
    else if (await this.#sure(target, image))
      await vscode.commands.executeCommand('bootyard.node.bootImage', target, undefined, image);
  }

  /** A slip of the mouse must not cost a running node what it has in memory. */
  async #sure({ mac }: NodeElement, image: string): Promise<boolean> {
    const node = this.#model.node(mac);
    if (!node || !isOn(node)) return true;
    const detail = 'It is powered off first: what it has in memory is lost.';
    const question = `Boot ${node.name} on ${image}?`;
    return (await vscode.window.showWarningMessage(question, { modal: true, detail }, 'Boot')) === 'Boot';
  }
}

/** VS Code puts an empty item of the same type before the one that the drag made, so the first is not the one. */
async function draggedImages(data: vscode.DataTransfer): Promise<string[]> {
  for (const [type, item] of data) {
    const text = type === IMAGES_MIME ? await item.asString() : '';
    if (text !== '') return Names.parse(JSON.parse(text));
  }
  return [];
}
