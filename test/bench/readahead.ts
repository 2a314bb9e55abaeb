import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeReads } from '../../backend/api/reads.ts';
import { TestLab } from '../support/lab.ts';
import { compared, type Figures } from './compare.ts';
import type { BenchRow } from './row.ts';

const IMAGE = 'pc-x86-64-default';
const NODE = 'n1';
const LEARNING_BOOTS = 2;
const ROUNDS = 3;
/** ms; what a record can tell apart */
const LEAST_WAIT = 0.1;

/**
 * Boots of an image that is not in the host's memory: under its own name, so that what earlier boots needed is read ahead,
 * and under a name that no boot has a record of.
 */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  const waited: Figures = { ours: [], peer: [] };
  const booted: Figures = { ours: [], peer: [] };
  try {
    await lab.importDefault(IMAGE);
    await lab.bootyard('node', 'create', NODE, '--image', IMAGE);
    for (let boot = 0; boot < LEARNING_BOOTS; boot++) await bootCold(lab, IMAGE);
    for (let round = 0; round < ROUNDS; round++) {
      const unread = `unread${round}`;
      await lab.bootyard('image', 'duplicate', IMAGE, unread);
      const peer = await bootCold(lab, unread);
      const ours = await bootCold(lab, IMAGE);
      waited.peer.push(peer.waitedMs);
      waited.ours.push(ours.waitedMs);
      booted.peer.push(peer.bootedMs);
      booted.ours.push(ours.bootedMs);
    }
  } finally {
    await lab.remove();
  }
  const what = { unit: 'ms', peerName: 'without reading ahead', target: null, less: true };
  return [
    compared({ ...what, name: 'read ahead: waits of a boot for the disk' }, waited),
    compared({ ...what, name: 'read ahead: boot of Debian, nothing in memory' }, booted),
  ];
}

/** A boot of a lab that has just started, on an image that the host has to read from its disk. */
async function bootCold(lab: TestLab, image: string): Promise<{ waitedMs: number; bootedMs: number }> {
  await lab.bootyard('node', 'stop', NODE);
  await lab.bootyard('lab', 'stop');
  forgetFiles(lab.paths.images);
  await lab.bootyard('node', 'boot', NODE, image);
  await lab.bootyard('node', 'wait', '--timeout', '300', NODE);
  const { reads, bootedMs } = JSON.parse(await lab.bootyard('node', 'reads', NODE, '--json')) as NodeReads;
  if (bootedMs === null) throw new Error(`${NODE} did not boot ${image}`);
  const early = reads.filter(({ atMs }) => atMs <= bootedMs);
  const waitedMs = early.reduce((sum, read) => sum + read.waitedMs, 0);
  return { waitedMs: Math.max(LEAST_WAIT, waitedMs), bootedMs };
}

/** Takes the files of a folder out of the page cache. */
function forgetFiles(folder: string): void {
  execFileSync('sync');
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    execFileSync('dd', [
      `if=${join(entry.parentPath, entry.name)}`,
      'iflag=nocache',
      'count=0',
      'status=none',
    ]);
  }
}
