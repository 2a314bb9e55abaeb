import * as vscode from 'vscode';
import type { ClientStream } from '../../backend/api/client.ts';
import type { Parts } from '../features.ts';
import { withProgress } from '../ui/progress.ts';
import { checked, KernelConfiguration, sourceCommands } from './configurations.ts';
import { gdbAdapter } from './gdb-adapter.ts';

/**
 * Debugging of kernels: each session holds QEMU's stub open as long as it lasts, so that the node goes on without
 * breakpoints when it ends, whatever way.
 */
export class KernelSessions implements vscode.DebugAdapterDescriptorFactory, vscode.Disposable {
  readonly #parts: Parts;
  /** by the ids of sessions */
  readonly #holds = new Map<string, ClientStream>();
  readonly #subscription: vscode.Disposable;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#subscription = vscode.debug.onDidTerminateDebugSession(({ id }) => this.#release(id));
  }

  dispose(): void {
    this.#subscription.dispose();
    for (const id of this.#holds.keys()) this.#release(id);
  }

  /** What it throws is shown by the editor. */
  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor> {
    const { node, gdb, commands, pathMappings } = checked(KernelConfiguration, session.configuration);
    const client = await this.#parts.requireLab();
    const { stream, ...kernel } = await withProgress(`Debugging the kernel of ${node}`, (task) =>
      client.call('debug.kernel', { node }, task),
    );
    const hold = client.stream(stream);
    this.#holds.set(session.id, hold);
    hold.onEnd((sentence) => void this.#ended(session, sentence));
    try {
      return await gdbAdapter({
        gdb,
        preConnectCommands: [...sourceCommands(pathMappings), ...kernel.commands.slice(0, -1), ...commands],
        target: { parameters: [kernel.socket] },
      });
    } catch (error) {
      this.#release(session.id);
      throw error;
    }
  }

  #release(id: string): void {
    this.#holds.get(id)?.close();
    this.#holds.delete(id);
  }

  /** The machine, or the daemon, has ended: gdb alone would not say so. */
  async #ended(session: vscode.DebugSession, sentence: string | undefined): Promise<void> {
    this.#holds.delete(session.id);
    if (sentence !== undefined) void vscode.window.showInformationMessage(sentence);
    await vscode.debug.stopDebugging(session);
  }
}
