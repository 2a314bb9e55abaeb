import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { targetNode, validFor } from '../nodes/node-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { WebviewPanels } from '../ui/webview-panels.ts';
import { LogPanel } from './log-panel.ts';
import { PageState } from './messages.ts';
import { FRAME } from './page.ts';

/** Log views: one of all that is logged, and one for each node that somebody asked for. */
export function registerLogPanels(parts: Parts, extension: vscode.Uri): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const panels = new WebviewPanels<PageState>(extension, {
    viewType: 'bootyard.logs',
    page: { name: 'logs', title: 'Logs', body: FRAME },
    restore: (kept) => PageState.safeParse(kept).data,
    keyOf: ({ mac }) => mac,
    fill: (panel, state) => new LogPanel(parts, panel, state),
  });
  const commands = registerCommands(errors, {
    'bootyard.lab.logs': async () => {
      await requireLab();
      panels.show({ mac: '', node: '' });
    },
    'bootyard.node.logs': async (...args) => {
      await requireLab();
      const question = { title: 'Logs of which node?', ...validFor.any };
      const { mac, name } = await targetNode(connection.model, args, question);
      panels.show({ mac, node: name });
    },
  });
  return vscode.Disposable.from(commands, panels);
}
