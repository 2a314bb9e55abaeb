import { TestLab } from '../support/lab.ts';
import type { BenchRow } from './row.ts';

const IMAGE = 'pc-x86-64-tiny';
const ROUNDS = 3;
/** A restore takes less than a tenth of a boot. */
const TARGET = 10;

/** Saving a node, restoring it and making a copy of it, each until *booted*, next to a boot of the same node. */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  try {
    await lab.importDefault(IMAGE);
    await lab.bootyard('node', 'create', 'n1', '--image', IMAGE);
    await lab.bootyard('node', 'wait', '--timeout', '300', 'n1');
    const rounds: Round[] = [];
    while (rounds.length < ROUNDS) rounds.push(await measure(lab));
    const boot = median(rounds.map((round) => round.boot));
    const row = (name: string, step: keyof Round, target: number | null) =>
      rowOf(name, median(rounds.map((round) => round[step])), boot, target);
    return [
      row('restore of a snapshot to booted', 'restore', TARGET),
      row('save of a snapshot, the command', 'save', null),
      row('copy of a node to booted', 'copy', null),
    ];
  } finally {
    await lab.remove();
  }
}

/** ms of each */
interface Round {
  boot: number;
  save: number;
  restore: number;
  copy: number;
}

async function measure(lab: TestLab): Promise<Round> {
  await lab.bootyard('node', 'boot', 'n1');
  await lab.bootyard('node', 'wait', '--timeout', '300', 'n1');
  const boot = (await lab.timeline('n1')).totalMs;
  const begun = performance.now();
  await lab.bootyard('node', 'snapshot', 'save', 'n1', 'bench');
  const save = performance.now() - begun;
  await lab.bootyard('node', 'snapshot', 'restore', 'n1', 'bench');
  const restore = (await lab.timeline('n1')).totalMs;
  await lab.bootyard('node', 'create', 'n2', '--from', 'n1@bench');
  const copy = (await lab.timeline('n2')).totalMs;
  await lab.bootyard('node', 'remove', '--force', 'n2');
  await lab.bootyard('node', 'snapshot', 'remove', 'n1', 'bench');
  return { boot, save, restore, copy };
}

function rowOf(name: string, ours: number, peer: number, target: number | null): BenchRow {
  const ratio = peer / ours;
  const met = target === null ? null : ratio >= target;
  return { name, unit: 'ms', ours, peer, peerName: 'a boot of the same node', ratio, target, met };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
