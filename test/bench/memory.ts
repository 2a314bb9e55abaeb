import { TestLab } from '../support/lab.ts';
import type { BenchRow } from './row.ts';

const LIMIT = 150;

/** The daemon's resident memory with one node and with eight. */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  try {
    await lab.importDefault('pc-x86-64-tiny');
    const rows: BenchRow[] = [];
    for (let i = 1; i <= 8; i++) {
      await lab.bootyard('node', 'create', `n${i}`, '--image', 'pc-x86-64-tiny');
      if (i !== 1 && i !== 8) continue;
      await lab.bootyard('node', 'wait', '--timeout', '300', 'all-nodes');
      const { daemon } = await lab.status();
      const ours = (daemon?.rssBytes ?? 0) / 1e6;
      const name = `daemon memory, ${i} node${i > 1 ? 's' : ''}`;
      rows.push({
        name,
        unit: 'MB',
        ours,
        peer: LIMIT,
        peerName: 'limit',
        ratio: LIMIT / ours,
        target: 1,
        met: ours < LIMIT,
      });
    }
    return rows;
  } finally {
    await lab.remove();
  }
}
