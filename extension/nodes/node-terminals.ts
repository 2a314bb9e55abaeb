import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { ConsoleSource } from './console-session.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';
import { ReconnectingTerminal } from './reconnecting-terminal.ts';
import { ShellSource } from './shell-session.ts';

type Kind = 'shell' | 'console';
interface OpenTerminal {
  readonly kind: Kind;
  readonly mac: string;
  readonly pty: ReconnectingTerminal;
  title: string;
}

const icons: Record<Kind, string> = { shell: 'terminal', console: 'plug' };

/** Shells and consoles of nodes, in the editor area or the panel, and the terminal profile for shells. */
export class NodeTerminals implements vscode.Disposable {
  readonly #parts: Parts;
  readonly #open = new Map<vscode.Terminal, OpenTerminal>();
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
    const options = this.#options(kind, node);
    const terminal = vscode.window.createTerminal({
      ...options,
      location: location(kind),
      isTransient: true,
    });
    this.#open.set(terminal, { kind, mac: node.mac, pty: options.pty, title: options.name });
    terminal.show();
  }

  #options(kind: Kind, node: NodeInfo): vscode.ExtensionTerminalOptions & { pty: ReconnectingTerminal } {
    const { connection } = this.#parts;
    const source =
      kind === 'console'
        ? new ConsoleSource(connection, node.mac)
        : new ShellSource(connection, node.mac, reconnectWanted);
    return {
      name: titleOf(kind, node.name),
      pty: new ReconnectingTerminal(source),
      iconPath: new vscode.ThemeIcon(icons[kind]),
    };
  }

  async #profile(): Promise<vscode.TerminalProfile | undefined> {
    try {
      await this.#parts.requireLab();
      const question = { title: 'Open a shell in which node?', ...validFor.booted };
      const node = await targetNode(this.#parts.connection.model, [], question);
      return new vscode.TerminalProfile(this.#options('shell', node));
    } catch (error) {
      this.#parts.errors.report(error);
      return undefined;
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

function titleOf(kind: Kind, name: string): string {
  return kind === 'shell' ? name : `${name} console`;
}

function reconnectWanted(): boolean {
  return vscode.workspace.getConfiguration('bootyard').get('shell.reconnect', true);
}

function location(kind: Kind): vscode.TerminalOptions['location'] {
  const wanted = vscode.workspace.getConfiguration('bootyard').get<string>(`${kind}.location`);
  if (wanted === 'panel') return vscode.TerminalLocation.Panel;
  return wanted === 'beside' ? { viewColumn: vscode.ViewColumn.Beside } : vscode.TerminalLocation.Editor;
}
