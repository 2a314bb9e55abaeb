import * as vscode from 'vscode';
import type { Parts } from '../../features.ts';
import { registerCommands } from '../../ui/commands.ts';
import { targetNodes, validFor } from '../node-targets.ts';
import { PageState } from './messages.ts';
import { pageFolder, pageHtml } from './page.ts';
import { SettingsPanel } from './settings-panel.ts';

const VIEW_TYPE = 'bootyard.nodeSettings';

/** Settings forms: one for each set of nodes that somebody opened. They are there again in a window that was reloaded. */
export class SettingsPanels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #parts: Parts;
  readonly #extension: vscode.Uri;
  readonly #open = new Map<string, SettingsPanel>();
  readonly #registrations: vscode.Disposable;

  constructor(parts: Parts, extension: vscode.Uri) {
    this.#parts = parts;
    this.#extension = extension;
    this.#registrations = vscode.Disposable.from(
      vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, this),
      registerCommands(parts.errors, { 'bootyard.node.config': (...args) => this.#show(args) }),
    );
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const kept = PageState.safeParse(state);
    if (kept.success && kept.data.macs.length > 0) this.#fill(panel, kept.data.macs);
    else panel.dispose();
    return Promise.resolve();
  }

  dispose(): void {
    this.#registrations.dispose();
    for (const open of this.#open.values()) open.dispose();
  }

  async #show(args: unknown[]): Promise<void> {
    await this.#parts.requireLab();
    const question = { title: 'Settings of which nodes?', ...validFor.any };
    const nodes = await targetNodes(this.#parts.connection.model, args, question);
    const macs = nodes.map((node) => node.mac);
    const known = this.#open.get(keyOf(macs));
    if (known) {
      known.panel.reveal();
      return;
    }
    this.#fill(vscode.window.createWebviewPanel(VIEW_TYPE, 'Node settings', vscode.ViewColumn.Active), macs);
  }

  #fill(panel: vscode.WebviewPanel, macs: readonly string[]): void {
    const { webview } = panel;
    webview.options = { enableScripts: true, localResourceRoots: [pageFolder(this.#extension)] };
    const open = new SettingsPanel(this.#parts, panel, macs);
    this.#open.set(keyOf(macs), open);
    panel.onDidDispose(() => {
      open.dispose();
      this.#open.delete(keyOf(macs));
    });
    webview.html = pageHtml(webview, this.#extension);
  }
}

function keyOf(macs: readonly string[]): string {
  return macs.toSorted().join();
}
