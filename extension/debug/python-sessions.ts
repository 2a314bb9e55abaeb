import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { NodeShells } from '../files/node-shell.ts';
import { ChannelAdapter } from './channel-adapter.ts';
import { openChannel } from './channel.ts';
import { checked, PythonConfiguration } from './configurations.ts';
import { debugpyAdapter } from './debugpy.ts';
import { copyPrograms } from './program-copies.ts';

/** Debugging of Python programs in nodes: debugpy's adapter runs beside the program, and starts it. */
export class PythonSessions implements vscode.DebugAdapterDescriptorFactory, vscode.Disposable {
  readonly #parts: Parts;
  readonly #shells: NodeShells;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#shells = new NodeShells(parts.connection);
  }

  dispose(): void {
    this.#shells.dispose();
  }

  /** What it throws is shown by the editor. */
  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor> {
    const configuration = checked(PythonConfiguration, session.configuration);
    const client = await this.#parts.requireLab();
    await copyPrograms(client, this.#shells, configuration);
    const command = await debugpyAdapter(client, this.#shells, configuration);
    const channel = await openChannel(client, configuration.node, command);
    return new vscode.DebugAdapterInlineImplementation(new ChannelAdapter(channel));
  }
}
