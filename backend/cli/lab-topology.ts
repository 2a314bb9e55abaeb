import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { topologyText, withRates } from '../api/topology.ts';
import type { Session } from './session.ts';

/** Between the two looks that tell rates. */
const LOOK_MS = 1000;

export function addLabTopologyCommand(lab: Command, session: Session): void {
  lab
    .command('topology')
    .description('show the networks with the nodes in them, and what passes through their cables in a second')
    .option('--json', 'print JSON')
    .action(({ json = false }: { json?: boolean }) =>
      session.withLab(async (client) => {
        const before = await client.call('lab.topology', {});
        // Ctrl-C is told by the call that follows.
        await delay(LOOK_MS, undefined, { signal: client.signal }).catch(() => undefined);
        const topology = withRates(before, await client.call('lab.topology', {}));
        if (json) session.printJson(topology);
        else session.print(topologyText(topology));
      }),
    );
}
