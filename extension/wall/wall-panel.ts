import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { linkTooltip } from '../nodes/console-links.ts';
import { LinkOpener } from '../nodes/link-opener.ts';
import { stateDetail } from '../nodes/node-row.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { Untaken } from '../ui/untaken.ts';
import { FromPage, type PageState, type ToPage } from './messages.ts';
import { WallTile } from './wall-tile.ts';

/** The consoles of nodes side by side in an editor tab: of all nodes there are, or of some, as they come and go. */
export class WallPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #parts: Parts;
  readonly #macs: readonly string[];
  readonly #pending = new Coalescer<'show'>(() => this.#show());
  readonly #untaken = new Untaken();
  readonly #links: LinkOpener;
  readonly #tiles = new Map<string, WallTile>();
  readonly #subscriptions: vscode.Disposable[];
  /** a page is there that takes what it is sent */
  #isReady = false;

  constructor(parts: Parts, panel: vscode.WebviewPanel, { macs }: PageState) {
    this.panel = panel;
    this.#parts = parts;
    this.#macs = macs;
    const { connection, errors } = parts;
    this.#links = new LinkOpener(connection.model);
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => {
        this.#take(FromPage.parse(message)).catch((error: unknown) => errors.report(error));
      }),
      // The page of a hidden tab is gone; its next one asks anew.
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.#end();
      }),
      connection.onState((state) => {
        if (state === 'running') for (const tile of this.#tiles.values()) tile.revive();
        this.#pending.add('show');
      }),
      connection.model.onChanged(({ type }) => {
        if (type === 'node' || type === 'nodeList') this.#pending.add('show');
      }),
    ];
  }

  dispose(): void {
    this.#end();
    this.#pending.dispose();
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }

  async #take(request: FromPage): Promise<void> {
    switch (request.type) {
      case 'ready':
        this.#end();
        this.#isReady = true;
        return this.#show();
      case 'taken':
        return this.#untaken.taken(request.batch);
      case 'input':
        return this.#tiles.get(request.mac)?.input(request.text);
      case 'find': {
        const found = await this.#links.find(request.line, request.mac);
        const links = found.map(({ start, length, target }) => ({
          ...{ start, length, tooltip: linkTooltip(target) },
        }));
        return this.#post({ type: 'links', ask: request.ask, links });
      }
      case 'follow': {
        const found = await this.#links.find(request.line, request.mac);
        const link = found.find(({ start }) => start === request.start);
        return link && this.#links.follow(link.target);
      }
      case 'open': {
        const node = this.#parts.connection.model.node(request.mac);
        if (node) await vscode.commands.executeCommand('bootyard.node.console', node.name);
      }
    }
  }

  #show(): void {
    const { connection } = this.#parts;
    const { nodes } = connection.model;
    const shown = this.#macs.length === 0 ? nodes : nodes.filter(({ mac }) => this.#macs.includes(mac));
    const isOver = this.#macs.length > 0 && shown.length === 0 && connection.state === 'running';
    if (isOver) return this.panel.dispose();
    if (!this.#isReady) return;
    for (const [mac, tile] of this.#tiles) {
      if (shown.some((node) => node.mac === mac)) continue;
      tile.close();
      this.#tiles.delete(mac);
    }
    this.#post({
      type: 'tiles',
      title: this.panel.title,
      macs: [...this.#macs],
      notice: shown.length > 0 ? '' : noticeOf(connection.state),
      tiles: shown.map((node) => ({
        mac: node.mac,
        name: node.name,
        state: node.state,
        detail: stateDetail(node),
      })),
    });
    for (const { mac } of shown) if (!this.#tiles.has(mac)) this.#tiles.set(mac, this.#tile(mac));
  }

  #tile(mac: string): WallTile {
    return new WallTile(this.#parts.connection, mac, (text) =>
      this.#untaken.hand((batch) => this.#post({ type: 'output', mac, batch, text })),
    );
  }

  #end(): void {
    this.#isReady = false;
    for (const tile of this.#tiles.values()) tile.close();
    this.#tiles.clear();
    this.#untaken.release();
  }

  #post(message: ToPage): void {
    void this.panel.webview.postMessage(message);
  }
}

function noticeOf(state: string): string {
  return state === 'running'
    ? 'There is no node yet: create one first.'
    : 'The lab is not running: start it to see consoles.';
}
