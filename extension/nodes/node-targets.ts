import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabModel } from '../daemon/lab-model.ts';
import { isOn, nodeRow } from './node-row.ts';
import { NodeElement } from './nodes-tree.ts';

export interface TargetQuestion {
  /** what the picker asks, such as `Boot which nodes?` */
  readonly title: string;
  /** which nodes the command makes sense for */
  readonly valid?: (node: NodeInfo) => boolean;
  /** said when no node is valid */
  readonly none?: string;
}

export const validFor = {
  on: { valid: isOn, none: 'No node is powered on.' },
  booted: { valid: (node: NodeInfo) => node.state === 'booted', none: 'No node is booted.' },
  any: {},
};

/**
 * The nodes that a command works on. `args` come from VS Code: the row (and all selected rows) when it was run in the
 * view, a name or names when run by a link, a key binding or another extension, nothing when run in the palette;
 * then the user picks. Throws a cancellation when nothing was picked.
 */
export async function targetNodes(
  model: LabModel,
  args: unknown[],
  question: TargetQuestion,
): Promise<NodeInfo[]> {
  const given = givenNodes(model, args);
  if (given) return given;
  const picked = await vscode.window.showQuickPick(choices(model, question), {
    title: question.title,
    canPickMany: true,
    matchOnDescription: true,
  });
  if (!picked || picked.length === 0) throw new vscode.CancellationError();
  return picked.map((choice) => choice.node);
}

/** As `targetNodes`, for commands that take one node. */
export async function targetNode(
  model: LabModel,
  args: unknown[],
  question: TargetQuestion,
): Promise<NodeInfo> {
  const [given] = givenNodes(model, args.slice(0, 1)) ?? [];
  if (given) return given;
  const offered = choices(model, question);
  const [only, ...others] = offered;
  if (only && others.length === 0) return only.node;
  const picked = await vscode.window.showQuickPick(offered, {
    title: question.title,
    matchOnDescription: true,
  });
  if (!picked) throw new vscode.CancellationError();
  return picked.node;
}

/** The nodes that `args` name, as in `targetNodes`; undefined: none. */
export function givenNodes(model: LabModel, [first, all]: unknown[]): NodeInfo[] | undefined {
  if (first === undefined) return undefined;
  const list = Array.isArray(all) && all.length > 0 ? all : Array.isArray(first) ? first : [first];
  const nodes = list.map((item) => nodeOf(model, item));
  return nodes.length > 0 ? nodes : undefined;
}

function nodeOf(model: LabModel, item: unknown): NodeInfo {
  const node = item instanceof NodeElement ? model.node(item.mac) : model.nodeNamed(String(item));
  if (node) return node;
  const name = item instanceof NodeElement ? 'that was chosen' : `"${String(item)}"`;
  throw new BootyardError('node.unknown', `The node ${name} does not exist (any more).`);
}

function choices(
  model: LabModel,
  { valid = () => true, none }: TargetQuestion,
): (vscode.QuickPickItem & { node: NodeInfo })[] {
  const nodes = model.nodes.filter(valid);
  if (nodes.length === 0) {
    const sentence = model.nodes.length === 0 || !none ? 'There is no node yet: create one first.' : none;
    throw new BootyardError('node.none', sentence);
  }
  return nodes.map((node) => {
    const row = nodeRow(node);
    // The only one is ticked already where several can be.
    const picked = nodes.length === 1;
    return { label: `$(${row.icon}) ${row.label}`, description: row.description, node, picked };
  });
}
