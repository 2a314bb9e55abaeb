import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { NodeShells } from '../files/node-shell.ts';
import { checked, NodeJsConfiguration } from './configurations.ts';
import { checkNodeJs, serveInspector, type ServedInspector } from './node-js.ts';
import { copyPrograms } from './program-copies.ts';

/** Of the debugger for JavaScript that the editor brings along. */
const EDITORS_OWN = 'pwa-node';
/** Of launch configurations, what is not for that one. */
const OURS = ['type', 'request', 'node', 'copy', 'pathMappings', 'program', 'args', 'cwd', 'env', 'runtime'];

/** Debugging of Node.js programs in nodes: the editor's own debugger speaks with the inspector there, by a port of this host. */
export class NodeJsSessions implements vscode.Disposable {
  readonly #parts: Parts;
  readonly #shells: NodeShells;
  /** by their addresses */
  readonly #served = new Map<unknown, ServedInspector>();
  readonly #subscription: vscode.Disposable;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#shells = new NodeShells(parts.connection);
    this.#subscription = vscode.debug.onDidTerminateDebugSession(({ parentSession, configuration }) => {
      if (!parentSession) this.#end(configuration.websocketAddress);
    });
  }

  dispose(): void {
    this.#subscription.dispose();
    for (const address of this.#served.keys()) this.#end(address);
    this.#shells.dispose();
  }

  /** Starts a program, and a session of the editor's own debugger; the program ends with that. */
  async start(folder: vscode.WorkspaceFolder | undefined, given: vscode.DebugConfiguration): Promise<void> {
    const program = checked(NodeJsConfiguration, given);
    const client = await this.#parts.requireLab();
    await copyPrograms(client, this.#shells, program);
    await checkNodeJs(client, program);
    const failed = (sentence: string): void => void vscode.window.showErrorMessage(sentence);
    const served = await serveInspector(client, program, failed);
    const { address } = served;
    this.#served.set(address, served);
    const isStarted = await vscode.debug.startDebugging(folder, configured(given, program, address));
    if (!isStarted) this.#end(address);
  }

  #end(address: unknown): void {
    const served = this.#served.get(address);
    this.#served.delete(address);
    // A node that does not answer any more has no program to end.
    void served?.close().catch(() => undefined);
  }
}

/** The configuration of the editor's own debugger. */
function configured(
  given: vscode.DebugConfiguration,
  { pathMappings }: ReturnType<typeof NodeJsConfiguration.parse>,
  websocketAddress: string,
): vscode.DebugConfiguration {
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !OURS.includes(key)));
  const [mapping] = pathMappings;
  return {
    ...{ skipFiles: ['<node_internals>/**'], ...rest, ...mapping },
    ...{ name: given.name, type: EDITORS_OWN, request: 'attach', websocketAddress },
    continueOnAttach: true,
    // They would be looked for on this machine.
    autoAttachChildProcesses: false,
    attachExistingChildren: false,
  };
}
