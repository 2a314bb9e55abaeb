import * as vscode from 'vscode';
import type { NodeStep } from '../../backend/api/builds.ts';
import type { LabModel } from '../daemon/lab-model.ts';

/** Says on which node steps `RUN --on-node` run; undefined: on a temporary one. Throws a cancellation. */
export type NodeChoice = (steps: readonly NodeStep[]) => Promise<string | undefined>;

interface Place extends vscode.QuickPickItem {
  readonly node?: string;
}
const TEMPORARY: Place = {
  label: '$(vm) A temporary node',
  description: 'booted for the steps, and gone afterwards',
};

/** Asks once: builds of one watch run their steps in one place. `node`: nothing is asked. */
export function nodeChoice(model: LabModel, node: string | undefined): NodeChoice {
  let chosen: Place | undefined = node === undefined ? undefined : { label: node, node };
  return async ([first, ...others]) => {
    chosen ??= await ask(model, first, others.length);
    return chosen.node;
  };
}

async function ask(model: LabModel, first: NodeStep | undefined, more: number): Promise<Place> {
  const nodes = model.nodes.map(({ name, image }): Place => {
    const description = `${image}: boots what is built so far, and then its own image again`;
    return { label: `$(server) ${name}`, description, node: name };
  });
  const others = more === 0 ? '' : `, and ${more} more`;
  const chosen = await vscode.window.showQuickPick([TEMPORARY, ...nodes], {
    title: 'Run the steps RUN --on-node where?',
    placeHolder: `line ${first?.line ?? 1}: ${first?.command.split('\n')[0] ?? ''}${others}`,
  });
  if (!chosen) throw new vscode.CancellationError();
  return chosen;
}
