import * as vscode from 'vscode';
import type { NodeInfo, SnapshotInfo } from '../../../backend/api/node.ts';
import { BootyardError } from '../../../backend/errors.ts';
import type { Parts } from '../../features.ts';
import { bytes } from '../../images/image-row.ts';
import { registerCommands } from '../../ui/commands.ts';
import { confirm, withConsent } from '../../ui/consent.ts';
import { inView, withProgress } from '../../ui/progress.ts';
import { said } from '../../ui/said.ts';
import { askNewNodeName } from '../ask-node-name.ts';
import { watchBoot } from '../boot-watch.ts';
import { targetNode, validFor } from '../node-targets.ts';
import { snapshotNameProblem, snapshotRow } from './snapshot-text.ts';

/** Snapshots of nodes: save, go on from one, make a node of one, remove. A third argument names the snapshot. */
export function registerSnapshotCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const { model } = connection;

  async function save(args: unknown[]): Promise<SnapshotInfo> {
    await requireLab();
    const question = { title: 'Save a snapshot of which node?', ...validFor.booted };
    const { name: node } = await targetNode(model, args, question);
    const name = typeof args[2] === 'string' ? args[2] : await askName(node);
    const saved = await withProgress(`Saving a snapshot of ${node}`, (task) =>
      connection.call('node.snapshotSave', { node, ...(name === '' ? {} : { name }) }, task),
    );
    said(`Saved snapshot ${saved.name} of ${node} (${bytes(saved.bytes)}).`);
    return saved;
  }

  async function askName(node: string): Promise<string> {
    const taken = (await connection.call('node.snapshotList', { node })).map(({ name }) => name);
    const name = await vscode.window.showInputBox({
      title: `Save a snapshot of ${node}`,
      prompt: 'Name of the snapshot; the time, when there is none. The node is paused while it is saved.',
      validateInput: (text) => snapshotNameProblem(text.trim(), taken),
    });
    if (name === undefined) throw new vscode.CancellationError();
    return name.trim();
  }

  async function restore(args: unknown[]): Promise<NodeInfo | undefined> {
    const { node, snapshot } = await target(args, 'Restore');
    const { name } = node;
    const title = `Restoring ${name} from snapshot ${snapshot}`;
    const question = { code: 'snapshot.loses', question: `Restore ${name}?`, agree: 'Restore' };
    const [restored] = await withConsent(question, (force) =>
      watchBoot(parts, title, async (task) => [
        await connection.call('node.snapshotRestore', { node: name, name: snapshot, force }, task),
      ]),
    );
    return restored;
  }

  async function createFrom(args: unknown[]): Promise<NodeInfo | undefined> {
    const { node, snapshot } = await target(args, 'Create a node from');
    const from = `${node.name}@${snapshot}`;
    const name = typeof args[3] === 'string' ? args[3] : await askNewNodeName(model);
    const [created] = await watchBoot(parts, `Creating ${name} from ${from}`, async (task) => [
      await connection.call('node.createFrom', { name, from }, task),
    ]);
    return created;
  }

  async function remove(args: unknown[]): Promise<void> {
    const { node, snapshot } = await target(args, 'Remove');
    const detail = 'The memory and the disks in it are deleted for good.';
    await confirm(`Remove snapshot ${snapshot} of ${node.name}?`, detail, 'Remove');
    const params = { node: node.name, name: snapshot };
    await inView('bootyard.nodes', () => connection.call('node.snapshotRemove', params));
    said(`Removed snapshot ${snapshot} of ${node.name}.`);
  }

  /** `what` is to happen to a snapshot: which one, and of which node? */
  async function target(args: unknown[], what: string): Promise<{ node: NodeInfo; snapshot: string }> {
    await requireLab();
    const question = { title: `${what} a snapshot of which node?`, ...validFor.any };
    const node = await targetNode(model, args, question);
    if (typeof args[2] === 'string') return { node, snapshot: args[2] };
    const snapshots = await connection.call('node.snapshotList', { node: node.name });
    if (snapshots.length === 0) throw await noSnapshot(node);
    // The latest first.
    const rows = snapshots.toReversed().map((snapshot) => snapshotRow(snapshot, Date.now()));
    const title = `${what} which snapshot of ${node.name}?`;
    const picked = await vscode.window.showQuickPick(rows, { title, matchOnDescription: true });
    if (!picked) throw new vscode.CancellationError();
    return { node, snapshot: picked.label };
  }

  /** Offers to make the first one of a node that can be saved. */
  async function noSnapshot({ name, state }: NodeInfo): Promise<Error> {
    if (state !== 'booted')
      return new BootyardError('snapshot.none', `${name} has no snapshot: boot it, then one can be saved.`);
    const action = 'Save Snapshot...';
    const chosen = await vscode.window.showInformationMessage(`${name} has no snapshot yet.`, action);
    if (chosen === action) await vscode.commands.executeCommand('bootyard.node.snapshotSave', name);
    return new vscode.CancellationError();
  }

  return registerCommands(errors, {
    'bootyard.node.snapshotSave': (...args) => save(args),
    'bootyard.node.snapshotRestore': (...args) => restore(args),
    'bootyard.node.snapshotRemove': (...args) => remove(args),
    'bootyard.node.createFrom': (...args) => createFrom(args),
  });
}
