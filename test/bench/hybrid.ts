import { copiedBytes, waitFor } from '../support/hybrid-node.ts';
import { TestLab } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import type { BenchRow } from './row.ts';

const IMAGE = 'pc-x86-64-tiny';
const PEER = 'network boot of the same image';

/**
 * Boots of the tiny image from a disk, next to one over the network: the first, which copies the image; the second, which
 * finds it; and that of an image that differs in a few files. Then what the latter moves, next to the first.
 */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  try {
    await lab.importDefault(IMAGE);
    await importVariant(lab, 'variant', {
      add: { 'etc/motd': 'a variant\n', 'srv/data': 'x'.repeat(1 << 20) },
    });
    await lab.bootyard('node', 'create', 'net1');
    await waitFor(lab, 'net1');
    const network = await bootTime(lab, 'net1', IMAGE);
    await lab.bootyard('node', 'stop', 'net1');
    await lab.bootyard('node', 'create', 'disk1', 'disks=4G[template=hybrid-boot-v]');
    await waitFor(lab, 'disk1');
    const first = (await lab.timeline('disk1')).totalMs;
    const whole = await copiedBytes(lab, 'disk1');
    const second = await bootTime(lab, 'disk1', IMAGE);
    const delta = await bootTime(lab, 'disk1', 'variant');
    const moved = await copiedBytes(lab, 'disk1');
    return [
      time('hybrid boot, the first', first, network),
      time('hybrid boot, the second', second, network),
      time('hybrid boot of an image like the first', delta, network),
      row('moved for an image like the first', 'kB', moved / 1000, whole / 1000, 'the first image'),
    ];
  } finally {
    await lab.remove();
  }
}

async function bootTime(lab: TestLab, node: string, image: string): Promise<number> {
  await lab.bootyard('node', 'boot', node, image);
  await waitFor(lab, node);
  return (await lab.timeline(node)).totalMs;
}

function time(name: string, ours: number, peer: number): BenchRow {
  return row(name, 'ms', ours, peer, PEER);
}
function row(name: string, unit: string, ours: number, peer: number, peerName: string): BenchRow {
  return { name, unit, ours, peer, peerName, ratio: peer / ours, target: null, met: null };
}
