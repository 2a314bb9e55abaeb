import * as vscode from 'vscode';
import type { Params } from '../../backend/api/contract.ts';
import { eachRecord } from '../../backend/api/log-lines.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { isCancelled } from '../ui/errors.ts';
import { withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { Untaken } from '../ui/untaken.ts';
import { LineBatches } from './line-batches.ts';
import { exportLog } from './log-export.ts';
import { filters, shownLine, times } from './log-text.ts';
import { FromPage, type Line, type PageState, type Place, type Query, type ToPage } from './messages.ts';

/** Lines that are read at once, in either direction. */
const PAGE = 500;
type Source = Extract<ToPage, { type: 'lines' }>['from'];

/** Logs in an editor tab: of one node, or of all. What the page looks for is one run; the next run ends it. */
export class LogPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #parts: Parts;
  readonly #mac: string;
  readonly #pending = new Coalescer<'choices'>(() => void this.#showChoices());
  readonly #subscriptions: vscode.Disposable[];
  readonly #untaken = new Untaken();
  /** the name that the node has, or had */
  #node: string;
  #run: { number: number; query: Query; ending: AbortController } | undefined;

  constructor(parts: Parts, panel: vscode.WebviewPanel, { mac, node }: PageState) {
    this.panel = panel;
    this.#parts = parts;
    this.#mac = mac;
    this.#node = node;
    const refresh = (): void => this.#pending.add('choices');
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => {
        this.#take(FromPage.parse(message)).catch((error: unknown) => parts.errors.report(error));
      }),
      // The page of a hidden tab is gone, and what it would have been told with it.
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.#end();
      }),
      parts.connection.onState((state) => {
        refresh();
        if (state === 'running' && this.#run) this.#post({ type: 'again' });
      }),
      parts.connection.model.onChanged(({ type }) => {
        if (type === 'node' || type === 'nodeList') refresh();
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
        return await this.#showChoices();
      case 'query':
        return await this.#start(request.run, request.query);
      case 'more':
        if (request.run === this.#run?.number) await this.#read(request.from, request.after);
        return;
      case 'taken':
        return this.#untaken.taken(request.batch);
      case 'copy':
        await vscode.env.clipboard.writeText(request.text);
        return said('The line is copied.');
      case 'export':
        await this.#export(request.query);
    }
  }

  async #showChoices(): Promise<void> {
    const { connection, log } = this.#parts;
    this.#node = connection.model.node(this.#mac)?.name ?? this.#node;
    this.panel.title = this.#node ? `${this.#node} logs` : 'Logs';
    const isRunning = connection.state === 'running';
    try {
      const [streams, checkpoints] = isRunning
        ? await Promise.all([connection.call('log.streams', {}), connection.call('log.checkpoints', {})])
        : [[], []];
      this.#post({
        type: 'choices',
        title: this.#node ? `Logs of ${this.#node}` : 'Logs of nodes and of the lab',
        mac: this.#mac,
        node: this.#node,
        issuers: [
          'all-nodes,server',
          'all-nodes',
          'server',
          ...connection.model.nodes.map(({ name }) => name),
        ],
        streams,
        checkpoints,
        notice: isRunning ? '' : 'The lab is not running: start it to see its logs.',
      });
    } catch (error) {
      // The next change of the lab asks again.
      log.warn(`logs: ${messageOf(error)}`);
    }
  }

  /** The latest lines, and those that come meanwhile: the page leaves out what it has. */
  async #start(number: number, query: Query): Promise<void> {
    this.#end();
    this.#run = { number, query, ending: new AbortController() };
    await Promise.all([query.to === undefined ? this.#follow() : undefined, this.#read('older')]);
  }

  #end(): void {
    this.#run?.ending.abort();
    this.#run = undefined;
    this.#untaken.release();
  }

  async #follow(): Promise<void> {
    await this.#send('live', (query) => ({
      ...filters(query, this.#node),
      history: 'none',
      realtime: true,
    }));
  }

  async #read(from: 'older' | 'newer', after?: Place): Promise<void> {
    const run = this.#run;
    const lines = await this.#send(from, (query) => ({
      ...filters(query, this.#node),
      history: times(query),
      page: { isBackward: from === 'older', limit: PAGE, ...(after && { after }) },
      realtime: false,
    }));
    if (run && lines !== undefined) this.#post({ type: 'read', run: run.number, from, isAll: lines < PAGE });
  }

  /** Sends what one query finds, until it or the run ends; answers how many lines, if nothing went wrong. */
  async #send(from: Source, queryOf: (query: Query) => Params<'log.read'>): Promise<number | undefined> {
    const run = this.#run;
    const { client } = this.#parts.connection;
    if (!run || !client) return undefined;
    const { signal } = run.ending;
    let count = 0;
    try {
      const batches = new LineBatches((lines) => this.#hand(run.number, from, lines, signal));
      const stream = await client.readLogs(queryOf(run.query), { signal });
      const ending = await eachRecord(stream, signal, async (record) => {
        count++;
        await batches.add(shownLine(record));
      });
      await batches.flush();
      if (signal.aborted) return undefined;
      if (ending === undefined) return count;
      throw new BootyardError('log.read', ending);
    } catch (error) {
      if (!signal.aborted && !isCancelled(error))
        this.#post({ type: 'problem', run: run.number, sentence: messageOf(error) });
      return undefined;
    }
  }

  /** Resolves when the page has taken the lines, or will not any more. */
  async #hand(run: number, from: Source, lines: Line[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await this.#untaken.hand((batch) => this.#post({ type: 'lines', run, batch, from, lines }));
  }

  async #export(query: Query): Promise<void> {
    const client = await this.#parts.requireLab();
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file('/tmp');
    const name = `${this.#node || 'lab'}.log`;
    const target = await vscode.window.showSaveDialog({
      title: 'Export these log lines',
      defaultUri: vscode.Uri.joinPath(folder, name),
    });
    if (!target) return;
    if (target.scheme !== 'file')
      throw new BootyardError('log.export', `${target.path} would not be on the lab's machine.`);
    const all = { ...filters(query, this.#node), history: times(query), realtime: false };
    const lines = await withProgress('Exporting log lines', (task) =>
      exportLog(client, all, target.fsPath, task),
    );
    said(`${lines} log lines are in ${target.fsPath}.`);
  }

  #post(message: ToPage): void {
    void this.panel.webview.postMessage(message);
  }
}
