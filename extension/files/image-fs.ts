import * as vscode from 'vscode';
import type { Result } from '../../backend/api/contract.ts';
import type { ImageFile } from '../../backend/api/image-files.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { fileText } from './file-text.ts';
import { fileSystemError } from './fs-errors.ts';
import { fileUri, ownerOf } from './uris.ts';

/** More than an editor can take; `image cp` copies larger files. */
const MAX_FILE = 64 << 20;
const CHUNK = 1 << 20;
/** How often a file is read anew when its image changes meanwhile. */
const ATTEMPTS = 3;
const MAX_TEXTS = 20_000;

/**
 * Images as folders of the editor, straight from the daemon's index. A folder follows the name of its image: when that
 * becomes another one, what is open is read again.
 */
export class ImageFileSystem implements vscode.Disposable {
  readonly scheme: string;
  protected readonly connection: LabConnection;
  protected readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly #decorated = new vscode.EventEmitter<vscode.Uri[]>();
  /** ids of the images that were read */
  readonly #ids = new Map<string, string>();
  /** tooltips of files that were listed */
  readonly #texts = new Map<string, string>();
  readonly #subscription;

  readonly onDidChangeFile = this.changed.event;
  readonly onDidChangeFileDecorations = this.#decorated.event;

  constructor(connection: LabConnection, scheme: string) {
    this.connection = connection;
    this.scheme = scheme;
    this.#subscription = connection.model.onChanged(({ type }) => {
      if (type === 'images') this.#follow();
    });
  }

  dispose(): void {
    this.#subscription.dispose();
    this.changed.dispose();
    this.#decorated.dispose();
  }

  /** The daemon tells of images by itself. */
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return await this.guarded(uri, async () => {
      const at = { image: ownerOf(uri), path: uri.path };
      const { file, id } = await this.connection.call('image.file', at);
      this.#ids.set(at.image, id);
      this.#remember(uri, file);
      if (file.type !== 'symlink' || file.leadsTo === null) return statOf(file);
      // Sizes are those of what is read.
      const size = file.leadsTo === 'file' ? await this.#size(uri) : 0;
      return { ...statOf(file), size };
    });
  }

  async #size(uri: vscode.Uri): Promise<number> {
    const at = { image: ownerOf(uri), path: uri.path };
    return (await this.connection.call('image.readFile', { ...at, length: 0 })).size;
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    return await this.guarded(uri, async () => {
      const at = { image: ownerOf(uri), path: uri.path };
      const entries: [string, vscode.FileType][] = [];
      for (let from: number | null = 0; from !== null;) {
        const page: Result<'image.files'> = await this.call('image.files', { ...at, from });
        this.#ids.set(at.image, page.id);
        for (const file of page.files) {
          this.#remember(vscode.Uri.joinPath(uri, file.name), file);
          entries.push([file.name, typeOf(file)]);
        }
        from = page.next;
      }
      return entries;
    });
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return await this.guarded(uri, async () => {
      for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
        const content = await this.#read(uri);
        if (content) return content;
      }
      throw new BootyardError('image.changed', `${ownerOf(uri)} changes all the time: open the file again.`);
    });
  }

  /** undefined: the image has become another one meanwhile */
  async #read(uri: vscode.Uri): Promise<Uint8Array | undefined> {
    const at = { image: ownerOf(uri), path: uri.path };
    const first = await this.call('image.readFile', { ...at, length: CHUNK });
    if (first.size > MAX_FILE) {
      const sentence = `${uri.path} is too large for the editor: copy it with \`bootyard image cp ${at.image}:${uri.path} .\`.`;
      throw new BootyardError('file.tooLarge', sentence);
    }
    const parts = [Buffer.from(first.data, 'base64')];
    for (let offset = CHUNK; offset < first.size; offset += CHUNK) {
      const next = await this.call('image.readFile', { ...at, offset, length: CHUNK });
      if (next.id !== first.id) return undefined;
      parts.push(Buffer.from(next.data, 'base64'));
    }
    return Buffer.concat(parts);
  }

  /** Owner, mode and where a link leads, beside the path when the mouse rests on a file. */
  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== this.scheme) return undefined;
    const tooltip = this.#texts.get(uri.toString());
    return tooltip === undefined ? undefined : { tooltip };
  }

  /** What each of these calls does is refused with the editor's own errors. */
  protected async guarded<T>(uri: vscode.Uri, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw fileSystemError(error, uri);
    }
  }

  protected get call(): LabConnection['call'] {
    return this.connection.call;
  }

  /** The next image of that name is another one. */
  protected gone(_image: string): void {}

  #remember(uri: vscode.Uri, file: ImageFile): void {
    const [oldest] = this.#texts.keys();
    if (this.#texts.size >= MAX_TEXTS && oldest !== undefined) this.#texts.delete(oldest);
    const key = uri.toString();
    const text = fileText(file);
    if (this.#texts.get(key) === text) return;
    const isKnown = this.#texts.has(key);
    this.#texts.set(key, text);
    if (isKnown) this.#decorated.fire([uri]);
  }

  #follow(): void {
    for (const [name, id] of this.#ids) {
      const now = this.connection.model.image(name)?.id;
      if (now === id) continue;
      if (now === undefined) {
        this.#ids.delete(name);
        this.gone(name);
      } else this.#ids.set(name, now);
      this.changed.fire(this.#open(name).map((uri) => ({ type: vscode.FileChangeType.Changed, uri })));
    }
  }

  /** The root of an image and its files that are open. */
  #open(image: string): vscode.Uri[] {
    const root = fileUri(this.scheme, image);
    const files = vscode.workspace.textDocuments.map(({ uri }) => uri);
    const ours = ({ scheme, authority }: vscode.Uri): boolean =>
      scheme === this.scheme && authority === root.authority;
    return [root, ...files.filter(ours)];
  }
}

/** The editor's type: of what a link leads to, and that it is one. Devices are shown and cannot be opened. */
export function typeOf({ type, leadsTo }: Pick<ImageFile, 'type' | 'leadsTo'>): vscode.FileType {
  const kinds: Partial<Record<ImageFile['type'], vscode.FileType>> = {
    file: vscode.FileType.File,
    directory: vscode.FileType.Directory,
  };
  if (type !== 'symlink') return kinds[type] ?? vscode.FileType.Unknown;
  return vscode.FileType.SymbolicLink | (leadsTo === null ? 0 : (kinds[leadsTo] ?? 0));
}

export function statOf(file: ImageFile): vscode.FileStat {
  return { type: typeOf(file), ctime: file.mtimeMs, mtime: file.mtimeMs, size: file.size };
}
