import type { NodeInfo, Timeline } from '../api/node.ts';
import type { LabSession } from './session.ts';
import { formatSeconds, formatTable } from './table.ts';

export interface ShowOptions {
  json?: boolean;
  all?: boolean;
  namesOnly?: boolean;
}

export async function show(lab: LabSession, set: string | undefined, options: ShowOptions): Promise<void> {
  const nodes = await lab.call('node.list', set === undefined ? {} : { nodes: [set] });
  const { session } = lab;
  if (options.json) return session.printJson(nodes);
  if (options.namesOnly) return nodes.forEach((node) => session.print(node.name));
  if (nodes.length === 0) {
    return session.print(
      'You currently do not own any nodes.\nCreate one with `bootyard node create <name>`.',
    );
  }
  session.print(`You currently own the following nodes:\n\n${nodeTable(nodes, options.all ?? false)}`);
}

function nodeTable(nodes: NodeInfo[], all: boolean): string {
  const withReason = nodes.some((node) => node.reason !== null);
  const header = ['name', 'model', 'image', 'ip', 'state'];
  const more = [...(all ? ['mac', 'stage'] : []), ...(withReason ? ['reason'] : [])];
  const rows = nodes.map((node) => [
    node.name,
    node.model,
    node.image,
    node.ip,
    node.state,
    ...(all ? [node.mac, node.stage ?? ''] : []),
    ...(withReason ? [node.reason ?? ''] : []),
  ]);
  return formatTable([...header, ...more], rows);
}

export async function showTimeline(lab: LabSession, node: string, json: boolean): Promise<void> {
  const timeline = await lab.call('node.timeline', { node });
  if (json) lab.session.printJson(timeline);
  else lab.session.print(describe(timeline));
}

function describe(timeline: Timeline): string {
  // A stage's parts one below the other: one line of them all fits on no terminal.
  const rows = timeline.stages.flatMap((stage) => {
    const [first = '', ...others] = stage.detail.split('; ');
    const times = [formatSeconds(stage.startMs), formatSeconds(stage.durationMs)];
    return [[stage.name, ...times, first], ...others.map((part) => ['', '', '', part])];
  });
  const summary = `${timeline.node}: ${timeline.outcome}, ${formatSeconds(timeline.totalMs)} since power-on at ${timeline.startedAt}`;
  return `${summary}\n\n${formatTable(['stage', 'start', 'duration', 'detail'], rows)}`;
}
