import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { arrange, type Arrangement, bootableImages } from './image-groups.ts';
import type { ImageGroup, ImageSource, ShownImage } from './image-groups.ts';
import { FileElement, ImageFileRows, NoteElement } from './image-file-rows.ts';
import { imageRow, type ImageRow } from './image-row.ts';
import type { ImageTooltips } from './image-tooltips.ts';

/** Stands for an image for as long as there is one of the name. */
export class ImageElement {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
/** Images of one source. */
export class GroupElement {
  readonly source: ImageSource;
  constructor(source: ImageSource) {
    this.source = source;
  }
}
export type ImagesElement = GroupElement | ImageElement | FileElement | NoteElement;

/** Rows that have decorations get them by a URI of this scheme. */
export const ROW_SCHEME = 'bootyard-row';

/** The Images view's rows. A row is drawn again only when something that it shows has changed. */
export class ImagesTree implements vscode.TreeDataProvider<ImagesElement>, vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #tooltips: ImageTooltips;
  readonly #files: ImageFileRows;
  readonly #elements = new Map<string, ImageElement>();
  readonly #groups = new Map<ImageSource, GroupElement>();
  /** what VS Code has been given */
  readonly #drawn = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<ImagesElement[] | undefined>();
  readonly #pending = new Coalescer<'images'>(() => this.#redraw());
  readonly #subscription;
  #arrangement: Arrangement;
  #images = new Map<string, ShownImage>();
  #arranged: ImageGroup[] = [];

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(connection: LabConnection, tooltips: ImageTooltips, arrangement: Arrangement) {
    this.#connection = connection;
    this.#tooltips = tooltips;
    this.#files = new ImageFileRows(connection);
    this.#arrangement = arrangement;
    this.#read();
    this.#subscription = connection.model.onChanged((change) => {
      if (change.type === 'images') this.#pending.add('images');
    });
  }

  /** How many images there are. */
  get total(): number {
    return this.#images.size;
  }
  /** How many of them are on show. */
  get shown(): number {
    return this.#arranged.reduce((count, { images }) => count + images.length, 0);
  }

  arrange(arrangement: Arrangement): void {
    this.#arrangement = arrangement;
    this.#redraw();
  }

  getChildren(): GroupElement[];
  getChildren(group: GroupElement): ImageElement[];
  getChildren(element?: ImagesElement): ImagesElement[] | Promise<ImagesElement[]>;
  getChildren(element?: ImagesElement): ImagesElement[] | Promise<ImagesElement[]> {
    if (!element) return this.#arranged.map(({ source }) => this.#groupOf(source));
    if (element instanceof ImageElement) return this.#files.of(element.name);
    if (element instanceof FileElement) return this.#files.of(element.image, element);
    if (element instanceof NoteElement) return [];
    return this.#group(element.source)?.images.map((name) => this.elementOf(name)) ?? [];
  }

  /** VS Code asks before it reveals a row. */
  getParent(element: ImagesElement): ImagesElement | undefined {
    if (element instanceof GroupElement) return undefined;
    if (!(element instanceof ImageElement)) return element.parent ?? this.elementOf(element.image);
    const group = this.#arranged.find(({ images }) => images.includes(element.name));
    return group && this.#groupOf(group.source);
  }

  getTreeItem(element: ImagesElement): vscode.TreeItem {
    if (element instanceof GroupElement) return this.#groupItem(element.source);
    return element instanceof ImageElement ? this.#imageItem(element.name) : this.#files.item(element);
  }

  /** Shows more files of a folder. */
  showMore(note: NoteElement): void {
    this.#files.more(note);
    this.#changed.fire([note.parent ?? this.elementOf(note.image)]);
  }

  /** Tooltips are made when the mouse rests on a row. */
  async resolveTreeItem(
    item: vscode.TreeItem,
    element: ImagesElement,
    token: vscode.CancellationToken,
  ): Promise<vscode.TreeItem> {
    const image = element instanceof ImageElement ? this.#images.get(element.name) : undefined;
    if (image) item.tooltip = await this.#tooltips.of(image, token);
    return item;
  }

  elementOf(name: string): ImageElement {
    const known = this.#elements.get(name) ?? new ImageElement(name);
    this.#elements.set(name, known);
    return known;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#pending.dispose();
    this.#changed.dispose();
  }

  #groupOf(source: ImageSource): GroupElement {
    const known = this.#groups.get(source) ?? new GroupElement(source);
    this.#groups.set(source, known);
    return known;
  }
  #group(source: ImageSource): ImageGroup | undefined {
    return this.#arranged.find((group) => group.source === source);
  }

  #groupItem(source: ImageSource): vscode.TreeItem {
    const count = this.#group(source)?.images.length ?? 0;
    const item = new vscode.TreeItem(source.label, vscode.TreeItemCollapsibleState.Expanded);
    // No image's name has this character.
    item.id = `#${source.id}`;
    item.description = String(count);
    item.iconPath = new vscode.ThemeIcon(source.icon);
    item.contextValue = 'imageGroup';
    item.accessibilityInformation = {
      label: `${source.label}, ${count} ${count === 1 ? 'image' : 'images'}`,
    };
    return item;
  }

  #imageItem(name: string): vscode.TreeItem {
    const image = this.#images.get(name);
    if (!image) return new vscode.TreeItem(name);
    const row = imageRow(image);
    this.#drawn.set(name, JSON.stringify(row));
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    // Images of engines are not in the store.
    const item = new vscode.TreeItem(row.label, image.engine ? None : Collapsed);
    item.id = name;
    item.resourceUri = rowUri(name);
    item.description = row.description;
    item.iconPath = themeIcon(row);
    item.contextValue = row.contextValue;
    item.accessibilityInformation = { label: row.accessibleLabel };
    return item;
  }

  #read(): void {
    const { model } = this.#connection;
    const images = bootableImages(model.images, model.engines);
    this.#images = new Map(images.map((image) => [image.name, image]));
    this.#arranged = arrange(images, this.#arrangement);
    for (const name of this.#elements.keys()) {
      if (this.#images.has(name)) continue;
      this.#elements.delete(name);
      this.#drawn.delete(name);
      this.#files.forget(name);
    }
  }

  /** Tells VS Code of what has changed and no more: groups that have other rows, and rows that look different. */
  #redraw(): void {
    const before = new Map(this.#arranged.map(({ source, images }) => [source.id, images.join()]));
    this.#read();
    const ids = this.#arranged.map(({ source }) => source.id);
    if (ids.join() !== [...before.keys()].join()) {
      this.#changed.fire(undefined);
      return;
    }
    const stale: ImagesElement[] = [];
    for (const { source, images } of this.#arranged) {
      // A group that is drawn again draws its rows again.
      if (before.get(source.id) !== images.join()) stale.push(this.#groupOf(source));
      else stale.push(...images.filter((name) => this.#isStale(name)).map((name) => this.elementOf(name)));
    }
    if (stale.length > 0) this.#changed.fire(stale);
  }

  /** A row that VS Code has not asked for yet will be right when it does. */
  #isStale(name: string): boolean {
    const drawn = this.#drawn.get(name);
    const image = this.#images.get(name);
    if (drawn === undefined || image === undefined) return false;
    return this.#files.isStale(name, image.id) || drawn !== JSON.stringify(imageRow(image));
  }
}

export function rowUri(name: string): vscode.Uri {
  return vscode.Uri.from({ scheme: ROW_SCHEME, path: `/${name}` });
}

function themeIcon({ icon, color }: ImageRow): vscode.ThemeIcon {
  return new vscode.ThemeIcon(icon, color === undefined ? undefined : new vscode.ThemeColor(color));
}
