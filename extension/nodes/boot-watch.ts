import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { withProgress, type Task } from '../ui/progress.ts';
import { copyInTheWay } from './disks/no-room.ts';
import { letCopyGo } from './disks/image-copies.ts';
import { nameList } from './node-names.ts';

/**
 * Powers nodes on by `begin` and follows them until all are booted, with their stages in a notification. Cancel powers
 * off those that have not booted yet. A boot that fails is shown here, with ways to find out why and to go on.
 */
export async function watchBoot(
  parts: Parts,
  title: string,
  begin: (task: Task) => Promise<NodeInfo[]>,
): Promise<NodeInfo[]> {
  let nodes: NodeInfo[] = [];
  try {
    return await withProgress(title, async (task) => {
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
  const tell = (mac: string, text: string): void => {
    const name = connection.model.node(mac)?.name ?? mac;
    if (macs.has(mac)) onProgress({ message: several ? `${name}: ${text}` : text });
  };
  const subscriptions = [
    connection.model.onStage(({ mac, stage, detail }) => tell(mac, detail ? `${stage} (${detail})` : stage)),
    connection.model.onChanged((change) => {
      if (change.type !== 'node' || change.node.state !== 'booting') return;
      if (change.node.reason !== null) tell(change.node.mac, change.node.reason);
    }),
  ];
  try {
    return await connection.call('node.wait', { nodes: nodes.map((node) => node.name) }, { signal });
  } finally {
    for (const subscription of subscriptions) subscription.dispose();
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
  const isFailed = ({ mac, name }: NodeInfo): boolean =>
    error.data.node === name || parts.connection.model.node(mac)?.state === 'failed';
  const failed = nodes.find(isFailed) ?? nodes[0];
  const run = (id: string) => () => vscode.commands.executeCommand(id, failed?.name);
  const copy = copyInTheWay(error.message);
  const makeRoom = failed &&
    copy && { title: 'Remove Image Copy...', run: () => letCopyGo(parts, failed, copy) };
  parts.errors.report(
    new BootyardError(error.code, messageOf(error) || `${nameList(nodes)} did not boot.`, error.data),
    ...(makeRoom ? [makeRoom] : []),
    { title: 'Show Console', run: run('bootyard.node.console') },
    { title: 'Show Timeline', run: run('bootyard.node.timeline') },
    { title: 'Retry', run: run('bootyard.node.boot') },
  );
}
