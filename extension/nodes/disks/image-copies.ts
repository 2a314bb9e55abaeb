import * as vscode from 'vscode';
import type { ImageCopyInfo, NodeInfo } from '../../../backend/api/node.ts';
import { BootyardError } from '../../../backend/errors.ts';
import type { Parts } from '../../features.ts';
import { confirm } from '../../ui/consent.ts';
import { said } from '../../ui/said.ts';
import { isOn } from '../node-row.ts';
import { copyLoss, copyName, keepsChanges } from './disk-rows.ts';

/**
 * Removes a copy of an image from a node's disk once the user agrees. Only the node can, when it boots next, which is
 * offered.
 */
export async function removeCopy({ connection }: Parts, node: NodeInfo, copy: ImageCopyInfo): Promise<void> {
  const name = copyName(copy);
  const question = keepsChanges(copy)
    ? `Remove what ${node.name} has written over ${name}?`
    : `Remove the copy of ${name} from the disk of ${node.name}?`;
  await confirm(question, copyLoss(copy), 'Remove');
  const params = { node: node.name, disk: copy.name, force: true };
  const { outcome } = await connection.call('node.removeDisk', params);
  if (outcome === 'removed') return said(`Removed the copy of ${name} on ${node.name}.`);
  // A node that failed still runs; its boot begins anew all the same.
  const now = connection.model.node(node.mac) ?? node;
  const boot = isOn(now) && now.state !== 'failed' ? 'Reboot Now' : 'Boot Now';
  const text = `${node.name} removes its ${keepsChanges(copy) ? 'changes to' : 'copy of'} ${name} when it boots next.`;
  if ((await vscode.window.showInformationMessage(text, boot)) !== boot) return;
  const command = boot === 'Boot Now' ? 'bootyard.node.boot' : 'bootyard.node.reboot';
  await vscode.commands.executeCommand(command, node.name);
}

/** As `removeCopy`, for a copy that is known by the begin of its id. What node it is on says the daemon, not the node. */
export async function letCopyGo(parts: Parts, node: NodeInfo, idBegin: string): Promise<void> {
  const copies = await parts.connection.call('node.imageCopies', { node: node.name });
  const copy = copies.find(({ name }) => name.startsWith(idBegin));
  if (copy) return removeCopy(parts, node, copy);
  throw new BootyardError('disk.unknown', `Node ${node.name} has no copy of image ${idBegin} (any more).`);
}
