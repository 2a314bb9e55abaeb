import * as vscode from 'vscode';
import type { NodeInfo, SettingInfo } from '../../../backend/api/node.ts';
import { BootyardError, messageOf } from '../../../backend/errors.ts';
import type { Parts } from '../../features.ts';
import { Coalescer } from '../../ui/coalescer.ts';
import { withConsent, type Consent } from '../../ui/consent.ts';
import { isCancelled } from '../../ui/errors.ts';
import { nameList } from '../node-names.ts';
import { isOn } from '../node-row.ts';
import { settingFields } from './fields.ts';
import { FromPage, type ToPage, type Values } from './messages.ts';

const EMPTY_DISK: Consent = {
  code: 'disk.loses',
  question: 'Use an empty disk?',
  agree: 'Use Empty Disk',
};

/** The settings form of some nodes, in an editor tab. It follows the nodes, and closes when they are all removed. */
export class SettingsPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #parts: Parts;
  readonly #macs: readonly string[];
  readonly #pending = new Coalescer<'show'>(() => this.#show());
  readonly #subscriptions: vscode.Disposable[];
  #infos: SettingInfo[] | undefined;
  #shown = '';

  constructor(parts: Parts, panel: vscode.WebviewPanel, macs: readonly string[]) {
    this.panel = panel;
    this.#parts = parts;
    this.#macs = macs;
    const { connection } = parts;
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => void this.#take(message)),
      connection.onState(() => {
        this.#infos = undefined;
        this.#pending.add('show');
        void this.#learn();
      }),
      connection.model.onChanged(() => this.#pending.add('show')),
    ];
    void this.#learn();
  }

  dispose(): void {
    this.#pending.dispose();
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }

  /** A daemon that was just started may know other settings than the one before. */
  async #learn(): Promise<void> {
    const { connection, log } = this.#parts;
    if (connection.state !== 'running') return;
    try {
      this.#infos = await connection.call('node.settings', {});
      this.#pending.add('show');
    } catch (error) {
      log.warn(`settings form: ${messageOf(error)}`);
    }
  }

  async #take(message: unknown): Promise<void> {
    const request = FromPage.parse(message);
    switch (request.type) {
      case 'ready':
        this.#shown = '';
        this.#show();
        return;
      case 'check':
        await this.#check(request.check, request.values);
        return;
      case 'save':
        this.#post(await this.#save(request.values));
        return;
      case 'reboot':
        await vscode.commands.executeCommand('bootyard.node.reboot', namesOf(this.#nodes.filter(isOn)));
        return;
    }
  }

  #show(): void {
    const { state } = this.#parts.connection;
    const nodes = this.#nodes;
    if (state === 'running' && nodes.length === 0) {
      this.panel.dispose();
      return;
    }
    const title = nodes.length > 0 ? `Settings of ${nameList(nodes)}` : 'Node settings';
    this.panel.title = title;
    const fields = settingFields(this.#infos ?? [], nodes);
    const macs = [...this.#macs];
    this.#post({ type: 'show', title, notice: this.#notice(), macs, fields });
  }

  #notice(): string {
    const { state } = this.#parts.connection;
    if (state === 'failing') return 'The daemon is being started again: settings can be changed once it is.';
    if (state !== 'running') return 'The lab is not running: start it to see and change these settings.';
    return this.#infos ? '' : 'Asking the daemon for its settings...';
  }

  async #check(check: number, values: Values): Promise<void> {
    try {
      const { problems } = await this.#parts.connection.call('node.checkSettings', { settings: values });
      this.#post({ type: 'problems', check, problems });
    } catch (error) {
      // Without a daemon the form is closed to changes; it asks again when there is one.
      this.#parts.log.debug(`settings form: ${messageOf(error)}`);
    }
  }

  async #save(values: Values): Promise<ToPage> {
    try {
      const { message } = await this.#config(values);
      const changes = this.#infos?.filter(({ name }) => Object.hasOwn(values, name)) ?? [];
      const offerReboot = changes.some(({ needsReboot }) => needsReboot) && this.#nodes.some(isOn);
      return { type: 'saved', message, offerReboot };
    } catch (error) {
      if (isCancelled(error)) return { type: 'notSaved', message: '', problems: {} };
      const setting = error instanceof BootyardError ? error.data.setting : undefined;
      const sentence = messageOf(error);
      this.#parts.log.error(sentence);
      return typeof setting === 'string' && Object.hasOwn(values, setting)
        ? { type: 'notSaved', message: '', problems: { [setting]: sentence } }
        : { type: 'notSaved', message: sentence, problems: {} };
    }
  }

  /** Asks before a disk that holds data is set aside. */
  async #config(settings: Values): Promise<{ message: string }> {
    const { connection } = this.#parts;
    const nodes = namesOf(this.#nodes);
    return withConsent(EMPTY_DISK, (force) => connection.call('node.config', { nodes, settings, force }));
  }

  /** Those that are still there. */
  get #nodes(): NodeInfo[] {
    const { model } = this.#parts.connection;
    return this.#macs.map((mac) => model.node(mac)).filter((node) => node !== undefined);
  }

  /** A form that shows something already is not sent it again: a burst of boot stages changes no setting. */
  #post(message: ToPage): void {
    if (message.type === 'show') {
      const text = JSON.stringify(message);
      if (text === this.#shown) return;
      this.#shown = text;
    }
    void this.panel.webview.postMessage(message);
  }
}

function namesOf(nodes: readonly NodeInfo[]): string[] {
  return nodes.map((node) => node.name);
}
