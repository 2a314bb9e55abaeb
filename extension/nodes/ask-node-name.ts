import * as vscode from 'vscode';
import type { LabModel } from '../daemon/lab-model.ts';
import { freeNodeName, nodeNameProblem } from './node-names.ts';

/** Asks for the name of a node that is made; proposes one. */
export function askNewNodeName(model: LabModel): Promise<string> {
  return askNodeName(model, 'New node', freeNodeName(model.nodes.map((node) => node.name)));
}

/** Asks for a node's name, which no other node has; `value` is there to begin with. */
export async function askNodeName(model: LabModel, title: string, value: string): Promise<string> {
  const taken = model.nodes.map((node) => node.name).filter((name) => name !== value);
  const name = await vscode.window.showInputBox({
    title,
    value,
    prompt: 'Name of the node',
    validateInput: (text) => nodeNameProblem(text.trim(), taken),
  });
  if (name === undefined) throw new vscode.CancellationError();
  return name.trim();
}
