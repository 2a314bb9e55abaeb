import type { NodeInfo, NodeState } from '../../backend/api/node.ts';
import { escapeMarkdown } from '../ui/markdown.ts';
import { copyInTheWay } from './disks/no-room.ts';

/** A row of the Nodes view, in plain values: what it looks like depends on this and nothing else. */
export interface NodeRow {
  readonly label: string;
  readonly description: string;
  readonly icon: string;
  readonly color: string;
  readonly contextValue: string;
  /** what a screen reader says */
  readonly accessibleLabel: string;
}

const looks: Record<NodeState, { icon: string; color: string }> = {
  off: { icon: 'vm-outline', color: 'disabledForeground' },
  booting: { icon: 'loading~spin', color: 'charts.yellow' },
  booted: { icon: 'vm-running', color: 'testing.iconPassed' },
  unreachable: { icon: 'debug-disconnect', color: 'problemsWarningIcon.foreground' },
  failed: { icon: 'error', color: 'testing.iconFailed' },
};

export function nodeRow(node: NodeInfo): NodeRow {
  return {
    label: node.name,
    description: [phase(node), node.image, node.ip].filter((part) => part !== '').join(' · '),
    ...looks[node.state],
    contextValue: contextValue(node),
    accessibleLabel: [node.name, spokenState(node), `image ${node.image}`, `address ${node.ip}`].join(', '),
  };
}

/**
 * While booting, what goes on (a copy's progress) or the stage; the state otherwise; a booted node's icon says enough. It
 * comes first in a row, because a narrow side bar cuts the end off.
 */
function phase(node: NodeInfo): string {
  if (node.state === 'booting') return stateDetail(node) || 'booting';
  return node.state === 'booted' ? '' : node.state;
}

/** What goes on while it boots, or why it is off, unreachable or failed; may be empty. */
export function stateDetail({ state, stage, reason }: Pick<NodeInfo, 'state' | 'stage' | 'reason'>): string {
  if (state === 'booting') return reason?.replace(/\.$/, '') ?? stage ?? '';
  return state === 'booted' ? '' : (reason ?? '');
}

function spokenState({ state, stage, reason }: NodeInfo): string {
  const now = state === 'booting' && stage ? `booting, stage ${stage}` : state;
  return reason && state !== 'booted' ? `${now}: ${reason}` : now;
}

/** Flags that menus match: `node+booted+on`. `on` means that the machine is powered, `noRoom` what `waitsForRoom` does. */
export function contextValue(node: Pick<NodeInfo, 'state' | 'reason'>): string {
  return `node+${node.state}${isOn(node) ? '+on' : ''}${waitsForRoom(node) ? '+noRoom' : ''}`;
}

/** The node did not boot because a copy of another image, which holds data, takes the room on its disk. */
export function waitsForRoom({ state, reason }: Pick<NodeInfo, 'state' | 'reason'>): boolean {
  return state === 'failed' && reason !== null && copyInTheWay(reason) !== undefined;
}

/** A failed node may still run (a panic, a boot that stands still), so it counts as powered. */
export function isOn(node: Pick<NodeInfo, 'state'>): boolean {
  return node.state !== 'off';
}

const commandOf: Record<string, string> = {
  Shell: 'bootyard.node.shell',
  Console: 'bootyard.node.console',
  Timeline: 'bootyard.node.timeline',
  'Remove Image Copy...': 'bootyard.node.makeRoom',
};
/** The commands that links in a node's tooltip may run. */
export const tooltipCommands = Object.values(commandOf);

/** The tooltip's Markdown: all that the row has no room for, with links. `now` in ms since 1970. */
export function nodeTooltip(node: NodeInfo, now: number): string {
  const facts: [string, string][] = [
    ['State', [node.state, node.state === 'booting' ? node.stage : null].filter(Boolean).join(', ')],
    ['Image', node.image],
    ['Address', node.ip],
    ['MAC', node.mac],
    ['Model', node.model],
    ...settingFacts(node),
  ];
  const since = node.bootedAt ?? node.bootStartedAt;
  if (since && isOn(node)) {
    facts.push([node.bootedAt ? 'Booted' : 'Power-on', ago(now - Date.parse(since))]);
  }
  const lines = facts.map(([name, value]) => `| ${name} | ${escapeMarkdown(value)} |`);
  const reason = node.reason ? [`$(warning) ${escapeMarkdown(node.reason)}`, ''] : [];
  return [
    `**${escapeMarkdown(node.name)}**`,
    '',
    ...reason,
    '| | |',
    '|:--|:--|',
    ...lines,
    '',
    links(node),
  ].join('\n');
}

function settingFacts(node: NodeInfo): [string, string][] {
  const { ram, firmware } = node.settings;
  const cores = node.settings['cpu.cores'];
  const machine = [cores && `${cores} ${cores === 1 ? 'core' : 'cores'}`, ram, firmware].filter(Boolean);
  return machine.length > 0 ? [['Machine', machine.join(', ')]] : [];
}

function links(node: NodeInfo): string {
  const argument = encodeURIComponent(JSON.stringify([node.name]));
  const first = node.state === 'booted' ? ['Shell'] : waitsForRoom(node) ? ['Remove Image Copy...'] : [];
  const offered = [...first, 'Console', 'Timeline'];
  return offered.map((name) => `[${name}](command:${commandOf[name]}?${argument})`).join(' · ');
}

/** How long ago, in the one unit that matters. */
export function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
