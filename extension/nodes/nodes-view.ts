import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { NodeDrop } from './node-drop.ts';
import { NodesTree, type NodeElement } from './nodes-tree.ts';

export interface NodesView extends vscode.Disposable {
  readonly tree: NodesTree;
  readonly view: vscode.TreeView<NodeElement>;
}

/** The Nodes view: its rows, a badge that counts nodes in trouble, and a line while the daemon is away. */
export function registerNodesView(connection: LabConnection): NodesView {
  const tree = new NodesTree(connection);
  const view = vscode.window.createTreeView('bootyard.nodes', {
    treeDataProvider: tree,
    dragAndDropController: new NodeDrop(connection.model),
    canSelectMany: true,
  });
  const update = (): void => {
    const failed = connection.model.nodes.filter((node) => node.state === 'failed').length;
    view.badge = failed > 0 ? { value: failed, tooltip: `${failed} failed` } : undefined;
    // With rows on show there is no welcome view to say it.
    view.message =
      connection.state === 'failing' && connection.model.nodes.length > 0
        ? 'The daemon is being started again; nodes go on meanwhile.'
        : undefined;
  };
  const subscriptions = vscode.Disposable.from(
    tree,
    view,
    connection.onState(update),
    connection.model.onChanged(update),
  );
  return { tree, view, dispose: () => subscriptions.dispose() };
}
