import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { withProgress, type Task } from '../ui/progress.ts';
import { nameList } from './node-names.ts';

/**
 * Powers nodes on by `begin` and follows them until all are booted, with their stages in a notification. Cancel powers
 * off those that have not booted yet. A boot that fails is shown here, with ways to find out why.
 */
export async function watchBoot(
  parts: Parts,
  names: string,
  begin: (task: Task) => Promise<NodeInfo[]>,
): Promise<NodeInfo[]> {
  let nodes: NodeInfo[] = [];
  try {
    return await withProgress(`Booting ${names}`, async (task) => {
      nodes = await begin(task);
      return await follow(parts, nodes, task);
    });
  } catch (error) {
    if (error instanceof vscode.CancellationError) await powerOffUnbooted(parts, nodes);
    if (!(error instanceof BootyardError) || nodes.length === 0) throw error;
    // The daemon's death ends the call, not the boot; the status bar tells of it.
    if (parts.connection.state !== 'running') return nodes;
    showFailure(parts, nodes, error);
    return nodes;
  }
}

async function follow(
  { connection }: Parts,
  nodes: NodeInfo[],
  { signal, onProgress }: Task,
): Promise<NodeInfo[]> {
  const macs = new Set(nodes.map((node) => node.mac));
  const several = nodes.length > 1;
  const stages = connection.model.onStage(({ mac, stage, detail }) => {
    if (!macs.has(mac)) return;
    const name = connection.model.node(mac)?.name ?? mac;
    const text = detail ? `${stage} (${detail})` : stage;
    onProgress({ message: several ? `${name}: ${text}` : text });
  });
  try {
    return await connection.call('node.wait', { nodes: nodes.map((node) => node.name) }, { signal });
  } finally {
    stages.dispose();
  }
}

async function powerOffUnbooted({ connection }: Parts, nodes: NodeInfo[]): Promise<void> {
  const waiting = nodes
    .map((node) => connection.model.node(node.mac))
    .filter((node) => node?.state === 'booting')
    .map((node) => node?.name ?? '');
  if (waiting.length > 0) await connection.call('node.stop', { nodes: waiting });
}

function showFailure(parts: Parts, nodes: NodeInfo[], error: BootyardError): void {
  const failed = nodes.find((node) => parts.connection.model.node(node.mac)?.state === 'failed') ?? nodes[0];
  const run = (id: string) => () => vscode.commands.executeCommand(id, failed?.name);
  parts.errors.report(
    new BootyardError(error.code, messageOf(error) || `${nameList(nodes)} did not boot.`, error.data),
    { title: 'Show Console', run: run('bootyard.node.console') },
    { title: 'Show Timeline', run: run('bootyard.node.timeline') },
    { title: 'Retry', run: run('bootyard.node.boot') },
  );
}
