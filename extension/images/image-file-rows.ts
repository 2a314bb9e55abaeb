import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { Result } from '../../backend/api/contract.ts';
import type { ImageFile } from '../../backend/api/image-files.ts';
import { messageOf } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { fileText } from '../files/file-text.ts';
import { fileUri, IMAGE_SCHEME } from '../files/uris.ts';

/** A file or folder of an image. */
export class FileElement {
  readonly image: string;
  readonly path: string;
  readonly file: ImageFile;
  /** undefined: its image's row */
  readonly parent: FileElement | undefined;

  constructor(image: string, parent: FileElement | undefined, file: ImageFile) {
    this.image = image;
    this.parent = parent;
    this.file = file;
    this.path = posix.join(parent?.path ?? '/', file.name);
  }
  get name(): string {
    return this.file.name;
  }
  get isFolder(): boolean {
    return (this.file.leadsTo ?? this.file.type) === 'directory';
  }
  get uri(): vscode.Uri {
    return fileUri(IMAGE_SCHEME, this.image, this.path);
  }
}

/** Stands below the files of a folder: there are more of them, or why there are none. */
export class NoteElement {
  readonly image: string;
  readonly parent: FileElement | undefined;
  readonly name: string;
  /** a click shows more */
  readonly isMore: boolean;

  constructor(image: string, parent: FileElement | undefined, name: string, isMore: boolean) {
    this.image = image;
    this.parent = parent;
    this.name = name;
    this.isMore = isMore;
  }
}

type Row = FileElement | NoteElement;

/** How many files of a folder are shown at first, and with each click more. */
const PAGE = 500;

/** What the rows of images open into: their folders and files, read from the daemon when they are asked for. */
export class ImageFileRows {
  readonly #connection: LabConnection;
  /** pages that are shown of folders that have more than one */
  readonly #pages = new Map<string, number>();
  /** names of images whose rows were opened, and what they were then */
  readonly #ids = new Map<string, string>();

  constructor(connection: LabConnection) {
    this.#connection = connection;
  }

  /** The files of an image's root, or of a folder of it: a page after the other, each with its folders first. */
  async of(image: string, folder?: FileElement): Promise<Row[]> {
    const path = folder?.path ?? '/';
    const pages = this.#pages.get(keyOf(image, folder)) ?? 1;
    const rows: Row[] = [];
    let next: number | null = 0;
    try {
      for (let page = 0; page < pages && next !== null; page++) {
        const asked = { image, path, from: next, limit: PAGE };
        const listed: Result<'image.files'> = await this.#connection.call('image.files', asked);
        this.#ids.set(image, listed.id);
        const files = listed.files.map((file) => new FileElement(image, folder, file));
        rows.push(...files.filter((file) => file.isFolder), ...files.filter((file) => !file.isFolder));
        next = listed.next;
      }
    } catch (error) {
      return [new NoteElement(image, folder, messageOf(error), false)];
    }
    if (next !== null) rows.push(new NoteElement(image, folder, `${next} files shown: show more`, true));
    return rows;
  }

  /** A folder shows a page more when it is asked for again. */
  more({ image, parent }: NoteElement): void {
    const key = keyOf(image, parent);
    this.#pages.set(key, (this.#pages.get(key) ?? 1) + 1);
  }

  /** The image has become another one since its row was opened; says so once. */
  isStale(image: string, id: string): boolean {
    const listed = this.#ids.get(image);
    if (listed === undefined || listed === id) return false;
    this.#ids.delete(image);
    return true;
  }

  forget(image: string): void {
    this.#ids.delete(image);
  }

  item(row: Row): vscode.TreeItem {
    return row instanceof FileElement ? fileItem(row) : noteItem(row);
  }
}

function keyOf(image: string, folder: FileElement | undefined): string {
  return fileUri(IMAGE_SCHEME, image, folder?.path).toString();
}

function fileItem(element: FileElement): vscode.TreeItem {
  const { file, image, isFolder, name, uri } = element;
  const { Collapsed, None } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(name, isFolder ? Collapsed : None);
  const isFile = (file.leadsTo ?? file.type) === 'file';
  item.id = uri.toString();
  item.resourceUri = uri;
  item.iconPath = isFolder ? vscode.ThemeIcon.Folder : vscode.ThemeIcon.File;
  item.description = file.target === null ? undefined : `→ ${file.target}`;
  item.tooltip = fileText(file);
  item.contextValue = isFolder ? 'imageFolder' : 'imageFile';
  item.accessibilityInformation = { label: `${name}, ${isFolder ? 'folder' : file.type} of ${image}` };
  // A device is shown, and cannot be opened.
  if (isFile) item.command = { command: 'vscode.open', title: 'Open', arguments: [uri] };
  return item;
}

function noteItem(element: NoteElement): vscode.TreeItem {
  const { image, isMore, name, parent } = element;
  const item = new vscode.TreeItem(name);
  item.id = `${keyOf(image, parent)}#note`;
  item.iconPath = new vscode.ThemeIcon(isMore ? 'ellipsis' : 'warning');
  item.contextValue = 'imageNote';
  if (isMore)
    item.command = { command: 'bootyard.image.moreFiles', title: 'Show More', arguments: [element] };
  return item;
}
