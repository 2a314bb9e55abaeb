import * as vscode from 'vscode';
import type { Parts } from '../../features.ts';
import { registerCommands } from '../../ui/commands.ts';
import { WebviewPanels } from '../../ui/webview-panels.ts';
import { targetNodes, validFor } from '../node-targets.ts';
import { PageState } from './messages.ts';
import { FORM } from './page.ts';
import { SettingsPanel } from './settings-panel.ts';

/** Settings forms: one for each set of nodes that somebody opened. */
export function registerSettingsPanels(parts: Parts, extension: vscode.Uri): vscode.Disposable {
  const panels = new WebviewPanels<readonly string[]>(extension, {
    viewType: 'bootyard.nodeSettings',
    page: { name: 'settings', title: 'Node settings', body: FORM },
    restore: (kept) => {
      const macs = PageState.safeParse(kept).data?.macs ?? [];
      return macs.length > 0 ? macs : undefined;
    },
    keyOf: (macs) => macs.toSorted().join(),
    fill: (panel, macs) => new SettingsPanel(parts, panel, macs),
  });
  async function show(args: unknown[]): Promise<void> {
    await parts.requireLab();
    const question = { title: 'Settings of which nodes?', ...validFor.any };
    const nodes = await targetNodes(parts.connection.model, args, question);
    panels.show(nodes.map(({ mac }) => mac));
  }
  const commands = registerCommands(parts.errors, { 'bootyard.node.config': (...args) => show(args) });
  return vscode.Disposable.from(commands, panels);
}
