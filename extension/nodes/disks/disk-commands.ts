import * as vscode from 'vscode';
import type { DiskInfo, NodeInfo } from '../../../backend/api/node.ts';
import type { Parts } from '../../features.ts';
import { registerCommands } from '../../ui/commands.ts';
import { confirm } from '../../ui/consent.ts';
import { BootyardError } from '../../../backend/errors.ts';
import { waitsForRoom } from '../node-row.ts';
import { targetNode, validFor } from '../node-targets.ts';
import { copyRow, diskRow, type DiskRow } from './disk-rows.ts';
import { letCopyGo, removeCopy } from './image-copies.ts';
import { copyInTheWay } from './no-room.ts';

interface Item extends vscode.QuickPickItem {
  /** absent: a heading, or what is in use */
  readonly remove?: () => Promise<void>;
}

const SETTINGS: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('gear'),
  tooltip: 'Open Node Settings',
};

/** The files behind a node's disks and the copies of images on them: a list, from which they can be removed. */
export function registerDiskCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;

  async function show(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Show the disks of which node?', ...validFor.any };
    const node = await targetNode(connection.model, args, question);
    const items = await itemsOf(node);
    if (items.length > 0) return list(node, items);
    const settings = 'Open Node Settings';
    const text = `${node.name} has no disk. Its setting "disks" gives it one.`;
    const chosen = await vscode.window.showInformationMessage(text, settings);
    if (chosen === settings) await openSettings(node);
  }

  async function itemsOf(node: NodeInfo): Promise<Item[]> {
    const { name } = node;
    const [disks, copies] = await Promise.all([
      connection.call('node.disks', { node: name }),
      connection.call('node.imageCopies', { node: name }),
    ]);
    const heading = 'copies of images for hybrid boot, and changes that are kept, as of the last boot';
    return [
      ...disks.map((disk) => item('database', diskRow(disk), 'Remove Disk...', () => removeDisk(node, disk))),
      ...(copies.length > 0 ? [{ label: heading, kind: vscode.QuickPickItemKind.Separator }] : []),
      ...copies.map((copy) =>
        item('layers', copyRow(copy, Date.now()), 'Remove Image Copy...', () =>
          removeCopy(parts, node, copy),
        ),
      ),
    ];
  }

  function list(node: NodeInfo, items: readonly Item[]): void {
    const picker = vscode.window.createQuickPick<Item>();
    picker.title = `Disks of ${node.name}`;
    picker.placeholder = 'Choose a disk that is not in use, or an image copy, to remove it';
    picker.buttons = [SETTINGS];
    picker.items = items;
    const run = (work: () => Promise<void>): void => {
      picker.hide();
      void work().catch((error: unknown) => errors.report(error));
    };
    // Enter on a disk in use leads to where it can be changed.
    const choose = ({ remove }: Item): void => run(remove ?? (() => openSettings(node)));
    picker.onDidTriggerButton(() => run(() => openSettings(node)));
    picker.onDidTriggerItemButton((event) => choose(event.item));
    picker.onDidAccept(() => {
      const [chosen] = picker.activeItems;
      if (chosen) choose(chosen);
    });
    picker.onDidHide(() => picker.dispose());
    picker.show();
  }

  /** Asks, removes, and shows what is left. */
  async function removeDisk(node: NodeInfo, disk: DiskInfo): Promise<void> {
    const detail = disk.holdsData ? 'It holds data, which is deleted for good.' : 'It is empty.';
    await confirm(`Remove ${disk.name} of ${node.name}?`, detail, 'Remove');
    await connection.call('node.removeDisk', { node: node.name, disk: disk.name, force: true });
    const left = await itemsOf(node);
    if (left.length > 0) list(node, left);
  }

  /** Lets go of the image copy for which a node could not boot, whoever began that boot. */
  async function makeRoom(args: unknown[]): Promise<void> {
    await requireLab();
    const none = 'No node waits for room on its disk.';
    const question = { title: 'Make room on the disk of which node?', valid: waitsForRoom, none };
    const node = await targetNode(connection.model, args, question);
    const copy = copyInTheWay(node.reason ?? '');
    if (copy) return letCopyGo(parts, node, copy);
    throw new BootyardError('disk.room', `${node.name} does not wait for room on its disk (any more).`);
  }

  return registerCommands(errors, {
    'bootyard.node.disks': (...args) => show(args),
    'bootyard.node.makeRoom': (...args) => makeRoom(args),
  });
}

function item(icon: string, row: DiskRow, title: string, remove: () => Promise<void>): Item {
  const { label, description, detail, removable } = row;
  const shown = { label: `$(${icon}) ${label}`, description, detail };
  if (!removable) return shown;
  return { ...shown, remove, buttons: [{ iconPath: new vscode.ThemeIcon('trash'), tooltip: title }] };
}

async function openSettings(node: NodeInfo): Promise<void> {
  await vscode.commands.executeCommand('bootyard.node.config', node.name);
}
