import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { type ImageRow, imageRow } from './image-row.ts';
import { ROW_SCHEME, rowUri } from './images-tree.ts';

/** Badges of the Images view: how many nodes boot an image; colours: what its check has found. */
export class ImageDecorations implements vscode.FileDecorationProvider, vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #drawn = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri[]>();
  readonly #pending = new Coalescer<'images'>(() => this.#redraw());
  readonly #subscriptions: vscode.Disposable;

  readonly onDidChangeFileDecorations = this.#changed.event;

  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.#subscriptions = vscode.Disposable.from(
      connection.model.onChanged((change) => {
        if (change.type === 'images') this.#pending.add('images');
      }),
      vscode.window.registerFileDecorationProvider(this),
    );
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== ROW_SCHEME) return undefined;
    const name = uri.path.slice(1);
    const image = this.#connection.model.image(name);
    if (!image) return undefined;
    const row = imageRow(image);
    this.#drawn.set(name, lookOf(row));
    return decoration(row);
  }

  dispose(): void {
    this.#subscriptions.dispose();
    this.#pending.dispose();
    this.#changed.dispose();
  }

  #redraw(): void {
    const stale: vscode.Uri[] = [];
    const images = new Map(this.#connection.model.images.map((image) => [image.name, image]));
    for (const [name, drawn] of this.#drawn) {
      const image = images.get(name);
      if (!image) this.#drawn.delete(name);
      else if (lookOf(imageRow(image)) !== drawn) stale.push(rowUri(name));
    }
    if (stale.length > 0) this.#changed.fire(stale);
  }
}

const lookOf = ({ users, color }: ImageRow): string => `${users} ${color}`;

/** A badge has room for two characters. */
function decoration({ users, color, description }: ImageRow): vscode.FileDecoration | undefined {
  if (users === 0 && color === undefined) return undefined;
  const badge = users === 0 ? undefined : users > 99 ? '99' : String(users);
  return new vscode.FileDecoration(
    badge,
    description,
    color === undefined ? undefined : new vscode.ThemeColor(color),
  );
}
