import * as vscode from 'vscode';
import { z } from 'zod';
import { IMAGES_MIME } from '../images/images-tree.ts';
import type { NodeElement } from './nodes-tree.ts';

const Names = z.array(z.string()).min(1);

/** An image dropped on a node boots the node on it; dropped beside the nodes it boots on a new one. */
export class ImageDrop implements vscode.TreeDragAndDropController<NodeElement> {
  readonly dropMimeTypes = [IMAGES_MIME];
  readonly dragMimeTypes: string[] = [];

  async handleDrop(target: NodeElement | undefined, data: vscode.DataTransfer): Promise<void> {
    const text = await data.get(IMAGES_MIME)?.asString();
    const [image] = text ? Names.parse(JSON.parse(text)) : [];
    if (!image) return;
    if (target) await vscode.commands.executeCommand('bootyard.node.bootImage', target, undefined, image);
    else await vscode.commands.executeCommand('bootyard.image.bootNewNode', image);
  }
}
