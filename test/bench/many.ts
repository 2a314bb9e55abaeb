import { readdirSync, readFileSync } from 'node:fs';
import { TestLab } from '../support/lab.ts';
import type { BenchRow } from './row.ts';

const IMAGE = 'pc-x86-64-tiny';
const COUNTS = [1, 4, 8, 16];
/** As nodes are by default. MB */
const RAM = 512 * 1.048576;

/**
 * Tiny nodes that boot at once: time until the last is booted, next to as many boots one after the other; and the
 * memory that a node's QEMU takes, next to the node's own.
 */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  try {
    await lab.importDefault(IMAGE);
    const names = Array.from({ length: Math.max(...COUNTS) }, (_, i) => `n${i + 1}`);
    for (const name of names) {
      await lab.bootyard('node', 'create', name, '--image', IMAGE);
      await lab.bootyard('node', 'stop', name);
    }
    const rows: BenchRow[] = [];
    let single = 0;
    for (const count of COUNTS) {
      const set = names.slice(0, count).join(',');
      const began = performance.now();
      await lab.bootyard('node', 'boot', set);
      await lab.bootyard('node', 'wait', '--timeout', '600', set);
      const ours = (performance.now() - began) / 1000;
      if (count === 1) single = ours;
      const memory = qemuMemory(lab.home) / count;
      await lab.bootyard('node', 'stop', set);
      const nodes = count === 1 ? '1 tiny node' : `${count} tiny nodes at once`;
      rows.push(
        row(`boot of ${nodes}, to the last booted`, 's', ours, count * single, 'one after the other'),
        row(`memory of QEMU per node, ${nodes}`, 'MB', memory, RAM, 'RAM of the node'),
      );
    }
    return rows;
  } finally {
    await lab.remove();
  }
}

/** Proportional set size of all QEMU processes of a lab, MB. */
function qemuMemory(home: string): number {
  const sizes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        if (!command.includes('qemu-system') || !command.includes(home)) return 0;
        const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
        return Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0);
      } catch {
        // It ended meanwhile.
        return 0;
      }
    });
  return (sizes.reduce((sum, size) => sum + size, 0) * 1024) / 1e6;
}

function row(name: string, unit: string, ours: number, peer: number, peerName: string): BenchRow {
  return { name, unit, ours, peer, peerName, ratio: peer / ours, target: null, met: null };
}
