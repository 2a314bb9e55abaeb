import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import { readsText } from '../../backend/api/reads-listing.ts';
import type { Parts } from '../features.ts';
import { targetNode, validFor } from '../nodes/node-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { WebviewPanels } from '../ui/webview-panels.ts';
import { PageState } from './messages.ts';
import { FRAME } from './page.ts';
import { showText, TimelinePanel } from './timeline-panel.ts';

/** Boot timelines: one for each node that somebody asked for. */
export function registerTimelinePanels(parts: Parts, extension: vscode.Uri): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;
  const panels = new WebviewPanels<PageState>(extension, {
    viewType: 'bootyard.timeline',
    page: { name: 'timeline', title: 'Boot timeline', body: FRAME },
    restore: (kept) => PageState.safeParse(kept).data,
    keyOf: ({ mac }) => mac,
    fill: (panel, state) => new TimelinePanel(parts, panel, state),
  });
  async function nodeOf(args: unknown[]): Promise<NodeInfo> {
    await requireLab();
    return await targetNode(connection.model, args, {
      title: 'Boot timeline of which node?',
      ...validFor.any,
    });
  }
  async function text(args: unknown[]): Promise<void> {
    const { name } = await nodeOf(args);
    await showText(parts, await connection.call('node.timeline', { node: name }));
  }
  async function reads(args: unknown[]): Promise<void> {
    const { name } = await nodeOf(args);
    const text = readsText(await connection.call('node.reads', { node: name }));
    await documents.show(`${name} files read`, `${text}\n`);
  }
  const commands = registerCommands(errors, {
    'bootyard.node.timeline': async (...args) =>
      panels.show({ mac: (await nodeOf(args)).mac, boot: 0, compare: 0 }),
    'bootyard.node.timelineText': (...args) => text(args),
    'bootyard.node.reads': (...args) => reads(args),
  });
  return vscode.Disposable.from(commands, panels);
}
