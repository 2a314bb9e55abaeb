import * as vscode from 'vscode';
import { type MeasuredTopology, withRates } from '../../backend/api/topology.ts';
import { messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { type Action, FromPage, type ToPage } from './messages.ts';
import { emptyView, topologyView } from './topology-view.ts';

/** How often bytes are counted while somebody looks. */
const COUNT_MS = 2000;

/** The lab's networks and who is in them, in an editor tab; asks the daemon only while it is on show. */
export class TopologyPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #parts: Parts;
  readonly #pending = new Coalescer<'states' | 'all'>((keys) =>
    keys.includes('all') ? void this.#count() : this.#draw(),
  );
  readonly #subscriptions: vscode.Disposable[];
  #timer: NodeJS.Timeout | undefined;
  #last: MeasuredTopology | undefined;

  constructor(parts: Parts, panel: vscode.WebviewPanel) {
    this.panel = panel;
    this.#parts = parts;
    const { connection, errors } = parts;
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => {
        this.#take(FromPage.parse(message)).catch((error: unknown) => errors.report(error));
      }),
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.#rest();
      }),
      connection.onState(() => this.#pending.add('all')),
      connection.model.onChanged(({ type }) => {
        if (type === 'node') this.#pending.add('states');
        else if (type === 'nodeList') this.#pending.add('all');
      }),
    ];
  }

  dispose(): void {
    this.#rest();
    this.#pending.dispose();
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }

  async #take(request: FromPage): Promise<void> {
    if (request.type === 'run') return await this.#run(request.mac, request.action);
    this.#rest();
    this.#timer = setInterval(() => void this.#count(), COUNT_MS);
    await this.#count();
  }

  async #run(mac: string, action: Action): Promise<void> {
    const node = this.#parts.connection.model.node(mac);
    if (node) await vscode.commands.executeCommand(`bootyard.node.${action}`, node.name);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#last = undefined;
  }

  /** What is on show stays while the daemon is started again. */
  async #count(): Promise<void> {
    const { connection, log } = this.#parts;
    if (!this.#timer) return;
    if (connection.state === 'stopped' || connection.state === 'unknown') {
      this.#last = undefined;
      this.#post(emptyView('The lab is not running: start it to see its networks.'));
    }
    if (connection.state !== 'running') return;
    try {
      this.#last = withRates(this.#last, await connection.call('lab.topology', {}));
      this.#draw();
    } catch (error) {
      // The next count comes soon.
      log.warn(`topology: ${messageOf(error)}`);
    }
  }

  /** As it was counted last, with the states that nodes have now. */
  #draw(): void {
    if (this.#timer && this.#last) this.#post(topologyView(this.#last, this.#parts.connection.model.nodes));
  }

  #post(message: ToPage): void {
    void this.panel.webview.postMessage(message);
  }
}
