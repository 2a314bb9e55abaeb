import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import type { ErrorReporter } from '../ui/errors.ts';
import { ChangesView, type FileChange } from './changes.ts';
import { EDIT_SCHEME, fileUri, IMAGE_SCHEME, isOurs, NODE_SCHEME, ownerOf } from './uris.ts';

const LIMIT = 5000;

/** The workspace's folders that are images, working copies or nodes; the latter two with a view of what is changed. */
export class OpenFolders implements vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #errors: ErrorReporter;
  readonly #views = new Map<string, ChangesView>();
  readonly #subscriptions: vscode.Disposable[];

  constructor(connection: LabConnection, errors: ErrorReporter) {
    this.#connection = connection;
    this.#errors = errors;
    this.#subscriptions = [
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.#update()),
      connection.onState((state) => {
        if (state === 'running') this.#update();
      }),
    ];
    this.#update();
  }

  dispose(): void {
    for (const part of [...this.#subscriptions, ...this.#views.values()]) part.dispose();
  }

  /** Opens a root file system as one more folder of the workspace. */
  open(uri: vscode.Uri, name: string): void {
    const folders = vscode.workspace.workspaceFolders ?? [];
    const isOpen = folders.some((folder) => folder.uri.toString() === uri.toString());
    if (!isOpen) vscode.workspace.updateWorkspaceFolders(folders.length, 0, { uri, name });
    else void vscode.commands.executeCommand('revealInExplorer', uri);
  }

  /** Takes a folder out of the workspace. */
  close(uri: vscode.Uri): void {
    const folders = vscode.workspace.workspaceFolders ?? [];
    const at = folders.findIndex((folder) => folder.uri.toString() === uri.toString());
    if (at >= 0) vscode.workspace.updateWorkspaceFolders(at, 1);
  }

  view(uri: vscode.Uri): ChangesView | undefined {
    return this.#views.get(fileUri(uri.scheme, ownerOf(uri)).toString());
  }

  /** Something was written below `uri`. */
  written(uri: vscode.Uri): void {
    if (uri.scheme === EDIT_SCHEME) this.refresh(uri);
  }

  refresh(uri: vscode.Uri): void {
    void this.view(uri)
      ?.refresh()
      .catch((error: unknown) => this.#errors.report(error));
  }

  #update(): void {
    const roots = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri).filter(isOurs);
    const wanted = new Map(
      roots.filter(({ scheme }) => scheme !== IMAGE_SCHEME).map((uri) => [uri.toString(), uri]),
    );
    for (const [key, view] of this.#views) {
      if (wanted.has(key)) continue;
      view.dispose();
      this.#views.delete(key);
    }
    if (this.#connection.state !== 'running') return;
    for (const [key, uri] of wanted) if (!this.#views.has(key)) void this.#add(key, uri);
  }

  async #add(key: string, root: vscode.Uri): Promise<void> {
    try {
      const view = root.scheme === EDIT_SCHEME ? await this.#editView(root) : this.#nodeView(root);
      if (this.#views.has(key)) view.dispose();
      else this.#views.set(key, view);
      await view.refresh();
    } catch (error) {
      this.#errors.report(error);
    }
  }

  async #editView(root: vscode.Uri): Promise<ChangesView> {
    const image = ownerOf(root);
    const { base } = await this.#connection.call('image.edit', { image });
    return new ChangesView(
      { id: 'bootyard.edit', label: image, root },
      {
        title: `${base} ↔ ${image}`,
        from: (path) => fileUri(IMAGE_SCHEME, base, path),
        to: (path) => fileUri(EDIT_SCHEME, image, path),
      },
      async () => {
        const asked = { from: base, to: image, limit: LIMIT };
        return (await this.#connection.call('image.diff', asked)).changes;
      },
    );
  }

  #nodeView(root: vscode.Uri): ChangesView {
    const node = ownerOf(root);
    const image = (): string => this.#connection.model.nodeNamed(node)?.image ?? '';
    return new ChangesView(
      { id: 'bootyard.node', label: node, root },
      {
        title: `${image()} ↔ ${node}`,
        from: (path) => fileUri(IMAGE_SCHEME, image(), path),
        to: (path) => fileUri(NODE_SCHEME, node, path),
      },
      async (): Promise<FileChange[]> => {
        // A node that is away keeps what was known of it.
        if (this.#connection.model.nodeNamed(node)?.state !== 'booted') return [];
        return (await this.#connection.call('node.diff', { node })).changes;
      },
    );
  }
}
