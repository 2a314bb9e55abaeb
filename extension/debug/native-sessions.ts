import * as vscode from 'vscode';
import type { LabClient } from '../daemon/lab-client.ts';
import type { Parts } from '../features.ts';
import { NodeShells } from '../files/node-shell.ts';
import { sshChannel } from './channel.ts';
import { checked, NativeConfiguration } from './configurations.ts';
import { gdbAdapter } from './gdb-adapter.ts';
import { gdbTarget, serveGdbserver } from './gdbserver-line.ts';
import { copyPrograms } from './program-copies.ts';

/** Debugging of native programs in nodes: gdb here, and gdbserver beside the program, which it starts. */
export class NativeSessions implements vscode.DebugAdapterDescriptorFactory, vscode.Disposable {
  readonly #parts: Parts;
  readonly #shells: NodeShells;
  /** by the ids of sessions */
  readonly #endings = new Map<string, (() => void)[]>();
  readonly #subscription: vscode.Disposable;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#shells = new NodeShells(parts.connection);
    this.#subscription = vscode.debug.onDidTerminateDebugSession(({ id }) => this.#end(id));
  }

  dispose(): void {
    this.#subscription.dispose();
    for (const id of this.#endings.keys()) this.#end(id);
    this.#shells.dispose();
  }

  /** What it throws is shown by the editor. */
  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor> {
    const configuration = checked(NativeConfiguration, session.configuration);
    const client = await this.#parts.requireLab();
    await copyPrograms(client, this.#shells, configuration);
    const endings: (() => void)[] = [];
    this.#endings.set(session.id, endings);
    try {
      const say = (sentence: string): void => vscode.debug.activeDebugConsole.appendLine(sentence);
      const served = await serveGdbserver(client, this.#shells, configuration, say);
      endings.push(served.close, await showOutput(client, configuration.node, served.output));
      return await gdbAdapter(gdbTarget(configuration, served.socket));
    } catch (error) {
      this.#end(session.id);
      throw error;
    }
  }

  #end(id: string): void {
    for (const ending of this.#endings.get(id) ?? []) ending();
    this.#endings.delete(id);
  }
}

/** Shows what comes into a file of a node in the Debug Console; answers what ends that. */
async function showOutput(client: LabClient, node: string, file: string): Promise<() => void> {
  const shown = await sshChannel(client, node, `tail -n +1 -f ${file}`);
  const decoder = new TextDecoder();
  shown.onData((data) => vscode.debug.activeDebugConsole.append(decoder.decode(data, { stream: true })));
  return () => shown.close();
}
