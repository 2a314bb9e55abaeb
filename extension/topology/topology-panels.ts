import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { WebviewPanels } from '../ui/webview-panels.ts';
import { PageState } from './messages.ts';
import { FRAME } from './page.ts';
import { TopologyPanel } from './topology-panel.ts';

/** The drawing of the lab's networks, of which there is one. */
export function registerTopologyPanels(parts: Parts, extension: vscode.Uri): vscode.Disposable {
  const panels = new WebviewPanels<PageState>(extension, {
    viewType: 'bootyard.topology',
    page: { name: 'topology', title: 'Topology', body: FRAME },
    restore: (kept) => PageState.safeParse(kept).data,
    keyOf: () => '',
    fill: (panel) => new TopologyPanel(parts, panel),
  });
  const commands = registerCommands(parts.errors, {
    'bootyard.lab.topology': async () => {
      await parts.requireLab();
      panels.show({ selected: '' });
    },
  });
  return vscode.Disposable.from(commands, panels);
}
