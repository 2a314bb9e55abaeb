import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { isOn } from '../nodes/node-row.ts';
import { targetNode, type TargetQuestion, validFor } from '../nodes/node-targets.ts';
import type { NodesView } from '../nodes/nodes-view.ts';
import { registerCommands } from '../ui/commands.ts';
import {
  type Configuration,
  KERNEL,
  kernelConfiguration,
  localProgram,
  NATIVE,
  NODEJS,
  PYTHON,
} from './configurations.ts';
import { KernelSessions } from './kernel-sessions.ts';
import { NativeSessions } from './native-sessions.ts';
import { NodeJsSessions } from './node-js-sessions.ts';
import { askProgram, programOnShow } from './program-choice.ts';
import { PythonSessions } from './python-sessions.ts';

/** Debuggers of nodes: launch configurations that are offered for what is there, and commands that need none. */
export function registerDebug(parts: Parts, { view }: NodesView): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const kernels = new KernelSessions(parts);
  const pythons = new PythonSessions(parts);
  const natives = new NativeSessions(parts);
  const nodeJs = new NodeJsSessions(parts);

  /** By F5 in the view the node is the one that is selected there. */
  async function node(args: unknown[], question: Omit<TargetQuestion, 'title'>): Promise<NodeInfo> {
    await requireLab();
    return await targetNode(connection.model, args, { title: 'Debug which node?', ...question });
  }

  async function debugKernel(args: unknown[]): Promise<boolean> {
    const selected = view.visible ? view.selection[0] : undefined;
    const { name } = await node(args[0] === undefined && selected ? [selected] : args, validFor.on);
    return await vscode.debug.startDebugging(undefined, kernelConfiguration(name));
  }

  async function debugProgram(args: unknown[]): Promise<boolean> {
    const { name } = await node(args, validFor.booted);
    return await vscode.debug.startDebugging(undefined, { ...(await askProgram(parts, name)) });
  }

  /** For each node, the program that is on show, if it is for that debugger. */
  function programs(type: string): Configuration[] {
    const shown = programOnShow();
    if (shown?.type !== type) return [];
    return connection.model.nodes
      .filter(validFor.booted.valid)
      .map(({ name }) => localProgram(type, name, shown.file));
  }

  async function someProgram(type: string): Promise<Configuration> {
    const { name } = await node([], validFor.booted);
    const shown = programOnShow();
    return shown?.type === type ? localProgram(type, name, shown.file) : await askProgram(parts, name);
  }

  const offers = (type: string): Pick<Offer, 'offered' | 'filled'> => ({
    offered: () => programs(type),
    filled: () => someProgram(type),
  });

  return vscode.Disposable.from(
    kernels,
    pythons,
    natives,
    nodeJs,
    vscode.debug.registerDebugAdapterDescriptorFactory(KERNEL, kernels),
    vscode.debug.registerDebugAdapterDescriptorFactory(PYTHON, pythons),
    vscode.debug.registerDebugAdapterDescriptorFactory(NATIVE, natives),
    provider(parts, KERNEL, {
      offered: () => connection.model.nodes.filter(isOn).map(({ name }) => kernelConfiguration(name)),
      filled: async () => kernelConfiguration((await node([], validFor.on)).name),
    }),
    // A terminal that the editor opens for the program would be on this machine.
    provider(parts, PYTHON, { ...offers(PYTHON), fixed: { console: 'internalConsole' } }),
    provider(parts, NATIVE, offers(NATIVE)),
    provider(parts, NODEJS, {
      ...offers(NODEJS),
      instead: (folder, configuration) => nodeJs.start(folder, configuration),
    }),
    registerCommands(errors, {
      'bootyard.node.debugKernel': (...args) => debugKernel(args),
      'bootyard.node.debugProgram': (...args) => debugProgram(args),
    }),
  );
}

interface Offer {
  /** what can be started at the moment */
  readonly offered: () => Configuration[];
  /** what a configuration gets that does not say it; may ask */
  readonly filled: () => Promise<Configuration>;
  /** what all have */
  readonly fixed?: Record<string, string>;
  /** starts another session instead */
  readonly instead?: (
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ) => Promise<void>;
}

/** Configurations that can be chosen without a launch.json, and what is missing in those that have none or less. */
function provider(
  { errors }: Parts,
  type: string,
  { offered, filled, fixed, instead }: Offer,
): vscode.Disposable {
  return vscode.debug.registerDebugConfigurationProvider(
    type,
    {
      provideDebugConfigurations: () => offered().map((offer) => ({ ...offer })),
      resolveDebugConfiguration: async (_, configuration) => {
        const given: Record<string, unknown> = configuration;
        try {
          return given.node === undefined
            ? { ...(await filled()), ...configuration, ...fixed }
            : { ...configuration, ...fixed };
        } catch (error) {
          errors.report(error);
          return undefined;
        }
      },
      resolveDebugConfigurationWithSubstitutedVariables: async (folder, configuration) => {
        if (!instead) return configuration;
        await instead(folder, configuration).catch((error: unknown) => errors.report(error));
        return undefined;
      },
    },
    vscode.DebugConfigurationProviderTriggerKind.Dynamic,
  );
}
