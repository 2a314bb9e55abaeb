import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { targetNodes, validFor } from './node-targets.ts';

/** Name and address of nodes for the clipboard. */
export function registerLookCommands(parts: Parts): vscode.Disposable {
  const { connection, errors } = parts;
  const { model } = connection;

  async function copy(args: unknown[], text: (node: NodeInfo) => string): Promise<void> {
    const nodes = await targetNodes(model, args, { title: 'Copy from which nodes?', ...validFor.any });
    await vscode.env.clipboard.writeText(nodes.map(text).join('\n'));
  }

  return registerCommands(errors, {
    'bootyard.node.copyName': (...args) => copy(args, (node) => node.name),
    'bootyard.node.copyAddress': (...args) => copy(args, (node) => node.ip),
  });
}
