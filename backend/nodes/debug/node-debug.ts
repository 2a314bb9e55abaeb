import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { kernelSymbols } from '../../boot/debug/kernel-symbols.ts';
import type { BootPlan } from '../../boot/plan.ts';
import { BootyardError } from '../../errors.ts';
import type { WorkControl } from '../snapshots/machine-state.ts';
import { kernelOffset } from './kernel-offset.ts';
import type { ConsoleViewer } from '../console.ts';
import type { DebugLine } from './debug-line.ts';
import type { DebugHolder, KernelStub } from './kernel-stub.ts';
import type { KernelDebugging } from './info.ts';

const LOOK_MS = 250;

export interface NodeDebugParts {
  /** throw a sentence for a name that is not one node's */
  nodes: {
    stubOf(node: string): KernelStub;
    debugLineOf(node: string): DebugLine;
    one(node: string): { mac: string };
  };
  /** the boot of a node that goes on */
  booted(mac: string): BootPlan | undefined;
  /** of the files of all nodes */
  folder: string;
}

/** What debuggers of nodes need. */
export class NodeDebug {
  readonly #parts: NodeDebugParts;

  constructor(parts: NodeDebugParts) {
    this.#parts = parts;
  }

  /**
   * Runs a command of a debugger in a node, whatever its network does; see `DebugLine.run`. Throws `node.off` and
   * `debug.line`.
   */
  async run(node: string, command: string, stream: ConsoleViewer, signal: AbortSignal): Promise<void> {
    const { nodes } = this.#parts;
    if (!nodes.stubOf(node).machine.runs) throw new BootyardError('node.off', `Node ${node} is off.`);
    await nodes.debugLineOf(node).run(command, stream, signal);
  }

  /**
   * Opens a node's kernel to a debugger until `holder` closes; waits for the kernel to run. Throws `node.off`,
   * `node.debugged`, `debug.kernel`, and the reason of the signal.
   */
  async kernel(node: string, holder: DebugHolder, control: WorkControl): Promise<KernelDebugging> {
    const stub = this.#parts.nodes.stubOf(node);
    const { machine } = stub;
    const plan = this.#parts.booted(this.#parts.nodes.one(node).mac);
    if (!plan) throw new BootyardError('node.off', `Node ${node} has no boot that goes on: reboot it.`);
    if (!plan.node.model.startsWith('pc-x86-64'))
      throw new BootyardError('debug.model', `The kernel of ${plan.node.model} nodes cannot be debugged.`);
    const folder = join(this.#parts.folder, plan.node.mac.replaceAll(':', '-'));
    const symbols = await kernelSymbols(plan, folder, control);
    let offset = await kernelOffset(machine, symbols.addressOf);
    while (offset === undefined) {
      control.progress({ message: `Waiting until the kernel of ${node} runs` });
      await delay(LOOK_MS, undefined, { signal: control.signal });
      if (stub.machine !== machine)
        throw new BootyardError('node.off', `Node ${node} was rebooted meanwhile: try again.`);
      offset = await kernelOffset(machine, symbols.addressOf);
    }
    control.signal.throwIfAborted();
    const socket = await stub.open(holder);
    const { file, release, source } = symbols;
    const hex = `0x${offset.toString(16)}`;
    const commands = [`symbol-file -o ${hex} ${file}`, `target remote ${socket}`];
    return { socket, symbols: file, offset: hex, release, source, commands };
  }
}
