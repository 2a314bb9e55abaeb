import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { givenNodes } from '../nodes/node-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { WebviewPanels } from '../ui/webview-panels.ts';
import { PageState } from './messages.ts';
import { FRAME } from './page.ts';
import { WallPanel } from './wall-panel.ts';

/** Console walls: one of all nodes, and one for each choice of nodes that somebody asked for. */
export function registerWallPanels(parts: Parts, extension: vscode.Uri): vscode.Disposable {
  const panels = new WebviewPanels<PageState>(extension, {
    viewType: 'bootyard.wall',
    // A terminal makes rules for its own size and colours.
    page: { name: 'wall', title: 'Console Wall', body: FRAME, hasOwnStyles: true },
    restore: (kept) => PageState.safeParse(kept).data,
    keyOf: ({ macs }) => [...macs].sort().join(),
    fill: (panel, state) => new WallPanel(parts, panel, state),
  });
  const commands = registerCommands(parts.errors, {
    'bootyard.node.wall': async (...args) => {
      await parts.requireLab();
      const chosen = givenNodes(parts.connection.model, args) ?? [];
      // One is only where the focus is in the view, whose title has the command too.
      panels.show({ macs: chosen.length > 1 ? chosen.map(({ mac }) => mac) : [] });
    },
  });
  return vscode.Disposable.from(commands, panels);
}
