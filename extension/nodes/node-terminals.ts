import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { isCancelled } from '../ui/errors.ts';
import { ConsoleSource } from './console-session.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';
import { ReconnectingTerminal } from './reconnecting-terminal.ts';
import { ShellSource } from './shell-session.ts';

type Kind = 'shell' | 'console';
interface NodeTerminal {
  readonly kind: Kind;
  readonly mac: string;
  readonly pty: ReconnectingTerminal;
  title: string;
}

const icons: Record<Kind, string> = { shell: 'terminal', console: 'plug' };

/** Shells and consoles of nodes, in the editor area or the panel, and the terminal profile for shells. */
export class NodeTerminals implements vscode.Disposable {
  readonly #parts: Parts;
  readonly #open = new Map<vscode.Terminal, NodeTerminal>();
  /** by their ptys: VS Code itself makes the terminal of a profile */
  readonly #made = new WeakMap<object, NodeTerminal>();
  readonly #subscriptions: vscode.Disposable[];

  constructor(parts: Parts) {
    this.#parts = parts;
    const { connection, errors } = parts;
    this.#subscriptions = [
      registerCommands(errors, {
        'bootyard.node.shell': (...args) => this.#openAll('shell', args),
        'bootyard.node.console': (...args) => this.#openAll('console', args),
      }),
      vscode.window.registerTerminalProfileProvider('bootyard.nodeShell', {
        provideTerminalProfile: () => this.#profile(),
      }),
      vscode.window.onDidOpenTerminal((terminal) => {
        // The palette makes the terminal of a profile and leaves a closed panel closed.
        if (!this.#open.has(terminal) && this.#adopt(terminal)) terminal.show();
      }),
      vscode.window.onDidCloseTerminal((terminal) => this.#open.delete(terminal)),
      connection.model.onChanged((change) => {
        if (change.type === 'nodeList') this.#followNames();
      }),
    ];
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
    for (const { pty } of this.#open.values()) pty.close();
    this.#open.clear();
  }

  /** The node that a terminal of ours is of. */
  nodeOf(terminal: vscode.Terminal): string | undefined {
    return this.#open.get(terminal)?.mac;
  }

  async #openAll(kind: Kind, args: unknown[]): Promise<void> {
    await this.#parts.requireLab();
    const title = kind === 'shell' ? 'Open a shell in which nodes?' : 'Open the console of which nodes?';
    const valid = kind === 'shell' ? validFor.booted : validFor.any;
    const nodes = await targetNodes(this.#parts.connection.model, args, { title, ...valid });
    for (const node of nodes) this.#openOne(kind, node);
  }

  /** A node has one console, so its terminal is shown again; each shell is a new one. */
  #openOne(kind: Kind, node: NodeInfo): void {
    if (kind === 'console') {
      for (const [terminal, open] of this.#open) {
        if (open.kind === 'console' && open.mac === node.mac) {
          terminal.show();
          return;
        }
      }
    }
    const terminal = vscode.window.createTerminal({
      ...this.#options(kind, node),
      location: terminalLocation(kind),
      isTransient: true,
    });
    this.#adopt(terminal);
    terminal.show();
  }

  /** Keeps a terminal if it is one of ours. */
  #adopt(terminal: vscode.Terminal): boolean {
    const { creationOptions } = terminal;
    const made = 'pty' in creationOptions ? this.#made.get(creationOptions.pty) : undefined;
    if (made) this.#open.set(terminal, made);
    return made !== undefined;
  }

  #options(kind: Kind, node: NodeInfo): vscode.ExtensionTerminalOptions {
    const { connection } = this.#parts;
    const source =
      kind === 'console'
        ? new ConsoleSource(connection, node.mac)
        : new ShellSource(connection, node.mac, reconnectWanted);
    const pty = new ReconnectingTerminal(source);
    const name = titleOf(kind, node.name);
    this.#made.set(pty, { kind, mac: node.mac, pty, title: name });
    return { name, pty, iconPath: new vscode.ThemeIcon(icons[kind]) };
  }

  /** VS Code shows what this throws, and would complain of a missing profile when the user takes it back. */
  async #profile(): Promise<vscode.TerminalProfile> {
    try {
      await this.#parts.requireLab();
      const question = { title: 'Open a shell in which node?', ...validFor.booted };
      const node = await targetNode(this.#parts.connection.model, [], question);
      return new vscode.TerminalProfile(this.#options('shell', node));
    } catch (error) {
      if (isCancelled(error)) return new vscode.TerminalProfile(nothing());
      this.#parts.log.error(messageOf(error));
      throw error;
    }
  }

  #followNames(): void {
    for (const open of this.#open.values()) {
      const name = this.#parts.connection.model.node(open.mac)?.name;
      const title = name && titleOf(open.kind, name);
      if (!title || title === open.title) continue;
      open.title = title;
      open.pty.rename(title);
    }
  }
}

/** A terminal that is gone as soon as it opens. */
function nothing(): vscode.ExtensionTerminalOptions {
  const closes = new vscode.EventEmitter<void>();
  const pty = {
    onDidWrite: new vscode.EventEmitter<string>().event,
    onDidClose: closes.event,
    open: () => closes.fire(),
    close: () => closes.dispose(),
  };
  return { name: 'Bootyard', pty };
}

function titleOf(kind: Kind, name: string): string {
  return kind === 'shell' ? name : `${name} console`;
}

function reconnectWanted(): boolean {
  return vscode.workspace.getConfiguration('bootyard').get('shell.reconnect', true);
}

/** Where the user wants such terminals. */
export function terminalLocation(kind: Kind): vscode.TerminalOptions['location'] {
  const wanted = vscode.workspace.getConfiguration('bootyard').get<string>(`${kind}.location`);
  if (wanted === 'panel') return vscode.TerminalLocation.Panel;
  return wanted === 'beside' ? { viewColumn: vscode.ViewColumn.Beside } : vscode.TerminalLocation.Editor;
}
