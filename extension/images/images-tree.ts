import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { tooltip } from '../ui/tooltip.ts';
import { imageRow, imageTooltip } from './image-row.ts';

export class ImageElement {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** The Images view's rows. */
export class ImagesTree implements vscode.TreeDataProvider<ImageElement>, vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #elements = new Map<string, ImageElement>();
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly #pending = new Coalescer<'all'>(() => this.#changed.fire(undefined));
  readonly #subscription;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.#subscription = connection.model.onChanged((change) => {
      if (change.type === 'images') this.#pending.add('all');
    });
  }

  getChildren(element?: ImageElement): ImageElement[] {
    if (element) return [];
    return this.#connection.model.images.map(({ name }) => {
      const known = this.#elements.get(name) ?? new ImageElement(name);
      this.#elements.set(name, known);
      return known;
    });
  }

  getParent(): undefined {
    return undefined;
  }

  getTreeItem({ name }: ImageElement): vscode.TreeItem {
    const image = this.#connection.model.image(name);
    if (!image) return new vscode.TreeItem(name);
    const row = imageRow(image);
    const item = new vscode.TreeItem(row.label, vscode.TreeItemCollapsibleState.None);
    item.id = name;
    item.description = row.description;
    item.iconPath = new vscode.ThemeIcon(row.icon);
    item.contextValue = row.contextValue;
    item.accessibilityInformation = { label: row.accessibleLabel };
    return item;
  }

  resolveTreeItem(item: vscode.TreeItem, { name }: ImageElement): vscode.TreeItem {
    const image = this.#connection.model.image(name);
    if (image) item.tooltip = tooltip(imageTooltip(image, Date.now()));
    return item;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#pending.dispose();
    this.#changed.dispose();
  }
}
