import * as vscode from 'vscode';
import { pageFolder, pageHtml, type Page } from './webview-page.ts';

/** What fills a panel and follows the lab in it. */
interface Content extends vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
}

export interface PanelKind<S> {
  readonly viewType: string;
  readonly page: Page;
  /** what a page has kept, from a window that was loaded again; undefined: nothing that opens it */
  readonly restore: (kept: unknown) => S | undefined;
  /** equal for what has one panel */
  readonly keyOf: (state: S) => string;
  readonly fill: (panel: vscode.WebviewPanel, state: S) => Content;
}

/** Webviews of one kind in editor tabs, one for each key. They are there again in a window that was loaded again. */
export class WebviewPanels<S> implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #kind: PanelKind<S>;
  readonly #extension: vscode.Uri;
  readonly #open = new Map<string, Content>();
  readonly #registration: vscode.Disposable;

  constructor(extension: vscode.Uri, kind: PanelKind<S>) {
    this.#kind = kind;
    this.#extension = extension;
    this.#registration = vscode.window.registerWebviewPanelSerializer(kind.viewType, this);
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, kept: unknown): Promise<void> {
    const state = this.#kind.restore(kept);
    if (state === undefined) panel.dispose();
    else this.#fill(panel, state);
    return Promise.resolve();
  }

  show(state: S): void {
    const { viewType, page, keyOf } = this.#kind;
    const known = this.#open.get(keyOf(state));
    if (known) known.panel.reveal();
    else this.#fill(vscode.window.createWebviewPanel(viewType, page.title, vscode.ViewColumn.Active), state);
  }

  dispose(): void {
    this.#registration.dispose();
    for (const content of this.#open.values()) content.dispose();
  }

  #fill(panel: vscode.WebviewPanel, state: S): void {
    const { webview } = panel;
    const key = this.#kind.keyOf(state);
    webview.options = { enableScripts: true, localResourceRoots: [pageFolder(this.#extension)] };
    const content = this.#kind.fill(panel, state);
    this.#open.set(key, content);
    panel.onDidDispose(() => {
      content.dispose();
      this.#open.delete(key);
    });
    webview.html = pageHtml(webview, this.#extension, this.#kind.page);
  }
}
