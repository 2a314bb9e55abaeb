import type { NodeInfo } from '../api/node.ts';
import type { LabSession } from './session.ts';
import { formatTable } from './table.ts';

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
