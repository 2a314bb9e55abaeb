import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';
import { timelineText } from './timeline-text.ts';

/** Looking at nodes: boot timeline, name and address for the clipboard. */
export function registerLookCommands(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;
  const { model } = connection;

  async function showTimeline(args: unknown[]): Promise<void> {
    await requireLab();
    const node = await targetNode(model, args, { title: 'Boot timeline of which node?', ...validFor.any });
    const timeline = await connection.call('node.timeline', { node: node.name });
    await documents.show(`${node.name} boot timeline`, timelineText(timeline));
  }

  async function copy(args: unknown[], text: (node: NodeInfo) => string): Promise<void> {
    const nodes = await targetNodes(model, args, { title: 'Copy from which nodes?', ...validFor.any });
    await vscode.env.clipboard.writeText(nodes.map(text).join('\n'));
  }

  return registerCommands(errors, {
    'bootyard.node.timeline': (...args) => showTimeline(args),
    'bootyard.node.copyName': (...args) => copy(args, (node) => node.name),
    'bootyard.node.copyAddress': (...args) => copy(args, (node) => node.ip),
  });
}
