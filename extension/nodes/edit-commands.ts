import * as vscode from 'vscode';
import * as z from 'zod';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { fetchedImage } from '../images/engine-boot.ts';
import { pickImage } from '../images/image-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { inView } from '../ui/progress.ts';
import { askNewNodeName, askNodeName } from './ask-node-name.ts';
import { watchBoot } from './boot-watch.ts';
import { nameList } from './node-names.ts';
import { isOn } from './node-row.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';

const VIEW = 'bootyard.nodes';
/** What other extensions and key bindings may give, so that nothing is asked. */
const CreateOptions = z.object({ name: z.string().optional(), image: z.string().optional() });
const RemoveOptions = z.object({ force: z.boolean() });

/** What nodes there are and how they are set up: create, rename, remove. */
export function registerEditCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const { model } = connection;

  async function create(options: unknown): Promise<NodeInfo | undefined> {
    await requireLab();
    const given = CreateOptions.safeParse(options).data ?? {};
    const image = given.image ?? (await pickImage(parts, 'Which image does the new node boot?'));
    const name = given.name ?? (await askNewNodeName(model));
    const [node] = await watchBoot(parts, `Booting ${name} on ${image}`, async (task) => {
      const chosen = await fetchedImage(parts, image, task);
      return [await connection.call('node.create', { name, image: chosen }, { signal: task.signal })];
    });
    return node;
  }

  async function rename(args: unknown[]): Promise<NodeInfo> {
    await requireLab();
    const node = await targetNode(model, args, { title: 'Rename which node?', ...validFor.any });
    const name =
      typeof args[2] === 'string' ? args[2] : await askNodeName(model, `Rename ${node.name}`, node.name);
    return name === node.name ? node : connection.call('node.rename', { node: node.name, name });
  }

  async function remove(args: unknown[]): Promise<void> {
    await requireLab();
    const nodes = await targetNodes(model, args, { title: 'Remove which nodes?', ...validFor.any });
    const names = nodes.map((node) => node.name);
    const sure =
      RemoveOptions.safeParse(args[2]).data?.force ??
      (await confirmRemoval(nodes, await connection.call('node.losses', { nodes: names })));
    if (!sure) throw new vscode.CancellationError();
    await inView(VIEW, () => connection.call('node.remove', { nodes: names, force: true }));
  }

  return registerCommands(errors, {
    'bootyard.node.create': (options) => create(options),
    'bootyard.node.rename': (...args) => rename(args),
    'bootyard.node.remove': (...args) => remove(args),
  });
}

/** Tells what goes with the nodes before they go. */
async function confirmRemoval(nodes: NodeInfo[], losses: readonly string[]): Promise<boolean> {
  const running = nodes.filter(isOn);
  const off = running.length > 0 ? [`${nameList(running)} will be powered off.`] : [];
  const detail = [...off, ...losses].join('\n') || undefined;
  const question = `Remove ${nameList(nodes)}?`;
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, 'Remove')) === 'Remove';
}
