import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { tooltip } from '../ui/tooltip.ts';
import { nodeRow, nodeTooltip, tooltipCommands } from './node-row.ts';

/** An element of the Nodes view: stands for a node for as long as it lives, whatever its name and state. */
export class NodeElement {
  readonly mac: string;
  constructor(mac: string) {
    this.mac = mac;
  }
}

const WHOLE_TREE = '';

/** The Nodes view's rows. A row is drawn again only when something that it shows has changed. */
export class NodesTree implements vscode.TreeDataProvider<NodeElement>, vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #elements = new Map<string, NodeElement>();
  readonly #drawn = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<NodeElement[] | undefined>();
  readonly #pending = new Coalescer<string>((keys) => this.#redraw(keys));
  readonly #subscription;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.#subscription = connection.model.onChanged((change) => {
      if (change.type === 'nodeList') this.#pending.add(WHOLE_TREE);
      if (change.type === 'node') this.#pending.add(change.node.mac);
    });
  }

  getChildren(element?: NodeElement): NodeElement[] {
    if (element) return [];
    const nodes = this.#connection.model.nodes;
    const macs = new Set(nodes.map((node) => node.mac));
    for (const mac of this.#elements.keys()) {
      if (!macs.has(mac)) this.#elements.delete(mac);
    }
    return nodes.map((node) => this.elementOf(node.mac));
  }

  /** All rows are at the top; VS Code asks before it reveals one. */
  getParent(): undefined {
    return undefined;
  }

  getTreeItem(element: NodeElement): vscode.TreeItem {
    const node = this.#connection.model.node(element.mac);
    if (!node) return new vscode.TreeItem('');
    const row = nodeRow(node);
    this.#drawn.set(element.mac, JSON.stringify(row));
    const item = new vscode.TreeItem(row.label, vscode.TreeItemCollapsibleState.None);
    item.id = element.mac;
    item.description = row.description;
    item.iconPath = new vscode.ThemeIcon(row.icon, new vscode.ThemeColor(row.color));
    item.contextValue = row.contextValue;
    item.accessibilityInformation = { label: row.accessibleLabel };
    return item;
  }

  /** Tooltips are made when the mouse rests on a row. */
  resolveTreeItem(item: vscode.TreeItem, element: NodeElement): vscode.TreeItem {
    const node = this.#connection.model.node(element.mac);
    if (node) item.tooltip = tooltip(nodeTooltip(node, Date.now()), tooltipCommands);
    return item;
  }

  elementOf(mac: string): NodeElement {
    const known = this.#elements.get(mac);
    if (known) return known;
    const element = new NodeElement(mac);
    this.#elements.set(mac, element);
    return element;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#pending.dispose();
    this.#changed.dispose();
  }

  #redraw(keys: string[]): void {
    if (keys.includes(WHOLE_TREE)) {
      this.#changed.fire(undefined);
      return;
    }
    const stale = keys.filter((mac) => {
      const node = this.#connection.model.node(mac);
      return node && this.#drawn.get(mac) !== JSON.stringify(nodeRow(node));
    });
    if (stale.length > 0) this.#changed.fire(stale.map((mac) => this.elementOf(mac)));
  }
}
