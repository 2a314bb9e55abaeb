import * as vscode from 'vscode';
import type { Timeline } from '../../backend/api/boots.ts';
import { messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { openStep } from './open-step.ts';
import { FromPage, type PageState, type ToPage } from './messages.ts';
import { timelineText } from './timeline-text.ts';
import { emptyView, timelineView } from './timeline-view.ts';

/** The boots of one node in an editor tab: follows the boot that goes on, closes when the node is removed. */
export class TimelinePanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #parts: Parts;
  readonly #mac: string;
  readonly #pending = new Coalescer<'show'>(() => void this.#show());
  readonly #subscriptions: vscode.Disposable[];
  /** boots by their number; 0: the last one, and none */
  #choice: { boot: number; compare: number };
  #timeline: Timeline | undefined;

  constructor(parts: Parts, panel: vscode.WebviewPanel, { mac, boot, compare }: PageState) {
    this.panel = panel;
    this.#parts = parts;
    this.#mac = mac;
    this.#choice = { boot, compare };
    const { connection, errors } = parts;
    const refresh = (): void => this.#pending.add('show');
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => {
        this.#take(FromPage.parse(message)).catch((error: unknown) => errors.report(error));
      }),
      connection.onState(refresh),
      connection.model.onChanged(refresh),
      connection.model.onStage((stage) => {
        if (stage.mac === mac) refresh();
      }),
    ];
  }

  dispose(): void {
    this.#pending.dispose();
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }

  async #take(request: FromPage): Promise<void> {
    switch (request.type) {
      case 'ready':
        return await this.#show();
      case 'choose':
        this.#choice = { boot: request.boot, compare: request.compare };
        return await this.#show();
      case 'open':
        return await this.#open(request.step);
      case 'text':
        if (this.#timeline) await showText(this.#parts, this.#timeline);
    }
  }

  async #show(): Promise<void> {
    const { connection, log } = this.#parts;
    const node = connection.model.node(this.#mac);
    if (connection.state === 'running' && !node) return this.panel.dispose();
    this.panel.title = node ? `${node.name} boot timeline` : 'Boot timeline';
    // A timeline that is on show stays while the daemon is started again.
    if (!node || connection.state !== 'running') {
      if (!this.#timeline)
        this.#post(emptyView(this.#mac, this.panel.title, 'The lab is not running: start it to see boots.'));
      return;
    }
    try {
      this.#post(await this.#view(node.name));
    } catch (error) {
      log.warn(`timeline: ${messageOf(error)}`);
      // One that is on show stays: the next change of the lab asks again.
      if (!this.#timeline) this.#post(emptyView(this.#mac, this.panel.title, messageOf(error)));
    }
  }

  async #view(node: string): Promise<ToPage> {
    const { connection } = this.#parts;
    const boots = await connection.call('node.boots', { node });
    const numbered = (boot: number) => connection.call('node.timeline', { node, boot });
    const has = (boot: number): boolean => boots.some(({ number }) => number === boot);
    const { boot, compare } = this.#choice;
    this.#timeline = has(boot) ? await numbered(boot) : await connection.call('node.timeline', { node });
    // Beside itself a boot says nothing.
    const isOther = has(compare) && compare !== this.#timeline.number;
    const other = isOther ? await numbered(compare) : undefined;
    return timelineView(this.#mac, this.#timeline, boots, other);
  }

  async #open(index: number): Promise<void> {
    const step = this.#timeline?.steps[index];
    const node = this.#parts.connection.model.node(this.#mac);
    if (!step || !node || !this.#timeline) return;
    await openStep(this.#parts, this.#timeline, node, step);
  }

  #post(message: ToPage): void {
    void this.panel.webview.postMessage(message);
  }
}

/** A timeline as a text in an editor. */
export async function showText({ documents }: Parts, timeline: Timeline): Promise<void> {
  await documents.show(`${timeline.node} boot timeline`, timelineText(timeline));
}
