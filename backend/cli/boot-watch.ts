import type { Change } from '../api/change.ts';
import type { NodeInfo } from '../api/node.ts';
import type { LabSession } from './session.ts';
import { formatSeconds, printable } from './table.ts';

type StageChange = Extract<Change, { type: 'stage' }>;

/** Switches nodes on, prints a line as each boot stage begins, and resolves when all are booted; throws when one fails. */
export async function bootAndWatch(lab: LabSession, powerOn: () => Promise<NodeInfo[]>): Promise<void> {
  const early: StageChange[] = [];
  let print = (stage: StageChange): unknown => early.push(stage);
  // From before power-on, so that the first stage is not missed.
  const unsubscribe = await lab.client.subscribe((event) => {
    if (event.type === 'stage') print(event);
  });
  try {
    const nodes = await powerOn();
    const names = nodes.map((node) => node.name);
    const watched = new Set(nodes.map((node) => node.mac));
    print = (stage) => watched.has(stage.mac) && lab.session.print(stageLine(stage, watched.size > 1));
    early.forEach((stage) => print(stage));
    if (names.length > 0) await lab.call('node.wait', { nodes: names });
  } finally {
    unsubscribe();
  }
}

export function stageLine(
  stage: Pick<StageChange, 'name' | 'stage' | 'detail' | 'atMs'>,
  withName: boolean,
): string {
  const prefix = withName ? `${stage.name}: ` : '';
  return `${prefix}${formatSeconds(stage.atMs).padStart(8)}  ${stage.stage.padEnd(10)}  ${printable(stage.detail)}`.trimEnd();
}
