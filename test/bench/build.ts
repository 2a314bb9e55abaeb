import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestEngine } from '../support/engines.ts';
import { TestLab } from '../support/lab.ts';
import { median } from './import.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = Number(process.env.BOOTYARD_BENCH_ROUNDS ?? 3);
const IMAGE = 'built';

/**
 * From a saved change of a Dockerfile until the node is booted on it, and the bytes that came into the store for it. The
 * peer does the same by hand: `docker build`, `docker save`, `image import`, reboot; its image is moved whole.
 */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  const engine = await TestEngine.docker();
  Object.assign(lab.env, engine.env);
  try {
    return await measure(lab);
  } finally {
    await lab.remove();
    await engine.stop();
  }
}

async function measure(lab: TestLab): Promise<BenchRow[]> {
  await lab.importDefault('pc-x86-64-tiny');
  const folder = join(lab.home, 'source');
  mkdirSync(folder);
  const save = (version: string, base: string): void =>
    writeFileSync(join(folder, 'Dockerfile'), `FROM ${base}\nRUN echo ${version} > /etc/version\n`);
  const build = async (): Promise<{ movedBytes: number; image: { sizeBytes: number } }> =>
    JSON.parse(
      await lab.bootyard('image', 'build', IMAGE, folder, '--network', 'none', '--force', '--json'),
    ) as { movedBytes: number; image: { sizeBytes: number } };
  save('0', 'pc-x86-64-tiny');
  await build();
  await lab.bootyard('node', 'create', 'vnode1', '--image', IMAGE, '--wait');
  const [base = ''] = docker(
    lab,
    'images',
    '--format',
    '{{.Repository}}:{{.Tag}}',
    'localhost/bootyard-store/*',
  )
    .trim()
    .split('\n');
  const times: number[] = [];
  const theirs: number[] = [];
  const moved: number[] = [];
  const whole: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    save(`ours-${round}`, 'pc-x86-64-tiny');
    times.push(
      await booted(lab, `ours-${round}`, async () => {
        const { movedBytes, image } = await build();
        moved.push(movedBytes);
        whole.push(image.sizeBytes);
      }),
    );
    save(`theirs-${round}`, base);
    theirs.push(await booted(lab, `theirs-${round}`, () => byHand(lab, folder)));
  }
  return [
    row(
      'saved Dockerfile change to booted',
      'ms',
      median(times),
      median(theirs),
      'docker build, save, import',
    ),
    row('bytes moved for a changed Dockerfile', 'B', median(moved), median(whole), 'the whole image'),
  ];
}

async function byHand(lab: TestLab, folder: string): Promise<void> {
  const archive = join(lab.home, 'saved.tar');
  docker(lab, 'build', '-q', '--network', 'none', '-t', 'by-hand', folder);
  docker(lab, 'save', '-o', archive, 'by-hand');
  await lab.bootyard('image', 'import', archive, IMAGE, '--force');
  await lab.bootyard('node', 'reboot', 'vnode1');
}

function docker(lab: TestLab, ...args: string[]): string {
  const env = { ...lab.env, DOCKER_BUILDKIT: '0' };
  return execFileSync('docker', args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Milliseconds of `work` and the boot that follows. */
async function booted(lab: TestLab, version: string, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  await lab.bootyard('node', 'wait', 'vnode1');
  const ms = performance.now() - start;
  const found = (await lab.inNode('vnode1', 'cat /etc/version')).trim();
  if (found !== version) throw new Error(`the node is on ${found}, not ${version}`);
  return ms;
}

function row(name: string, unit: string, ours: number, peer: number, peerName: string): BenchRow {
  return { name, unit, ours, peer, peerName, ratio: peer / ours, target: 1, met: peer >= ours };
}
