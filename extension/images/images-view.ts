import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { ImageDrag } from './image-drag.ts';
import { ImagesTree, type ImageElement } from './images-tree.ts';

export interface ImagesView extends vscode.Disposable {
  readonly tree: ImagesTree;
  readonly view: vscode.TreeView<ImageElement>;
  readonly drag: ImageDrag;
}

/** The Images view. */
export function registerImagesView(connection: LabConnection): ImagesView {
  const tree = new ImagesTree(connection);
  const drag = new ImageDrag();
  const view = vscode.window.createTreeView('bootyard.images', {
    treeDataProvider: tree,
    dragAndDropController: drag,
    canSelectMany: true,
  });
  const subscriptions = vscode.Disposable.from(tree, view);
  return { tree, view, drag, dispose: () => subscriptions.dispose() };
}
