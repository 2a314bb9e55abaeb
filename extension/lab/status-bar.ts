import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { tooltip } from '../ui/tooltip.ts';
import { spokenStatus, statusCommands, statusText, statusTooltip, type LabView } from './lab-text.ts';

/** The lab as the views' texts need it. Counts come from the nodes, which change more often than the lab's status. */
export function labView({ state, failure, model }: LabConnection): LabView {
  const { nodes, lab } = model;
  const booted = nodes.filter((node) => node.state === 'booted').length;
  return { state, failure, lab, booted, total: nodes.length };
}

/** The one status bar item: the lab's state, a click away from the Nodes view. */
export function registerStatusBar(connection: LabConnection): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('bootyard.lab', vscode.StatusBarAlignment.Left, 10);
  item.name = 'Bootyard Lab';
  item.command = 'bootyard.nodes.focus';
  const draw = (): void => {
    const view = labView(connection);
    item.text = statusText(view);
    item.tooltip = tooltip(statusTooltip(view), statusCommands);
    item.accessibilityInformation = { label: spokenStatus(view) };
    item.backgroundColor =
      view.state === 'failing' ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
  };
  const pending = new Coalescer<'draw'>(draw);
  draw();
  item.show();
  return vscode.Disposable.from(
    item,
    pending,
    connection.onState(draw),
    connection.model.onChanged(() => pending.add('draw')),
  );
}
