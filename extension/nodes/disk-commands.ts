import * as vscode from 'vscode';
import type { DiskInfo, NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { diskRow } from './disk-rows.ts';
import { targetNode, validFor } from './node-targets.ts';

interface DiskItem extends vscode.QuickPickItem {
  readonly disk: DiskInfo;
}

const REMOVE: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('trash'),
  tooltip: 'Remove Disk...',
};
const SETTINGS: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('gear'),
  tooltip: 'Open Node Settings',
};

/** The files behind a node's disks: a list, from which those that are not needed any more can be removed. */
export function registerDiskCommands({ connection, errors, requireLab }: Parts): vscode.Disposable {
  async function show(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Show the disks of which node?', ...validFor.any };
    const node = await targetNode(connection.model, args, question);
    const disks = await connection.call('node.disks', { node: node.name });
    if (disks.length === 0) {
      const settings = 'Open Node Settings';
      const text = `${node.name} has no disk. Its setting "disks" gives it one.`;
      const chosen = await vscode.window.showInformationMessage(text, settings);
      if (chosen === settings) await openSettings(node);
      return;
    }
    list(node, disks);
  }

  function list(node: NodeInfo, disks: DiskInfo[]): void {
    const picker = vscode.window.createQuickPick<DiskItem>();
    picker.title = `Disks of ${node.name}`;
    picker.placeholder = 'Choose a disk that is not in use to remove it';
    picker.buttons = [SETTINGS];
    picker.items = disks.map(item);
    const choose = async (chosen: DiskItem): Promise<void> => {
      picker.hide();
      // Enter on a disk in use leads to where it can be changed.
      if (diskRow(chosen.disk).removable) await ask(node, chosen.disk);
      else await openSettings(node);
    };
    const report = (work: Promise<void>): void => void work.catch((error: unknown) => errors.report(error));
    picker.onDidTriggerButton(() => {
      picker.hide();
      report(openSettings(node));
    });
    picker.onDidTriggerItemButton((event) => report(choose(event.item)));
    picker.onDidAccept(() => {
      const [chosen] = picker.activeItems;
      if (chosen) report(choose(chosen));
    });
    picker.onDidHide(() => picker.dispose());
    picker.show();
  }

  /** Asks, removes, and shows what is left. */
  async function ask(node: NodeInfo, disk: DiskInfo): Promise<void> {
    const detail = disk.holdsData ? 'It holds data, which is deleted for good.' : 'It is empty.';
    const question = `Remove ${disk.name} of ${node.name}?`;
    const answer = await vscode.window.showWarningMessage(question, { modal: true, detail }, 'Remove');
    if (answer !== 'Remove') return;
    await connection.call('node.removeDisk', { node: node.name, disk: disk.name, force: true });
    const left = await connection.call('node.disks', { node: node.name });
    if (left.length > 0) list(node, left);
  }

  return registerCommands(errors, { 'bootyard.node.disks': (...args) => show(args) });
}

function item(disk: DiskInfo): DiskItem {
  const { label, description, detail, removable } = diskRow(disk);
  return { label: `$(database) ${label}`, description, detail, disk, buttons: removable ? [REMOVE] : [] };
}

async function openSettings(node: NodeInfo): Promise<void> {
  await vscode.commands.executeCommand('bootyard.node.config', node.name);
}
