import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestEngine } from '../support/engines.ts';
import { TestLab } from '../support/lab.ts';
import { compared, inTurn } from './compare.ts';
import { median } from './import.ts';
import { timed } from './registry.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = Number(process.env.BOOTYARD_BENCH_ROUNDS ?? 3);
const BY_HAND = 'docker build, save, import';

/**
 * From a saved change of a Dockerfile until the node restarts and until it is booted on it, and the bytes that came into the
 * store for it. The peer does the same by hand: `docker build`, `docker save`, `image import`, reboot; its image is moved
 * whole. The boot is the same work for both, and most of the time: where other things run, it varies by more than all else.
 */
export async function bench(): Promise<BenchRow[]> {
  const lab = new TestLab();
  const engine = await TestEngine.docker();
  Object.assign(lab.env, engine.env);
  try {
    return [...(await measure(lab)), await large(lab)];
  } finally {
    await lab.remove();
    await engine.stop();
  }
}

/** A folder with a Dockerfile, built of one image of the store into another one. */
interface Source {
  folder: string;
  built: string;
  /** changes it; FROM the image of the store, or what the engine has of it */
  save: (version: string, by?: 'hand') => void;
  build: () => Promise<{ movedBytes: number; image: { sizeBytes: number } }>;
}

async function sourceOf(lab: TestLab, image: 'pc-x86-64-tiny' | 'pc-x86-64-default'): Promise<Source> {
  await lab.importDefault(image);
  const built = `built-${image}`;
  const folder = join(lab.home, built);
  mkdirSync(folder);
  const base = (): string => {
    const reference = `localhost/bootyard-store/${image}`;
    return docker(lab, 'images', '--format', '{{.Repository}}:{{.Tag}}', reference).trim();
  };
  const source: Source = {
    folder,
    built,
    save: (version, by) => {
      const from = by === 'hand' ? base() : image;
      writeFileSync(join(folder, 'Dockerfile'), `FROM ${from}\nRUN echo ${version} > /etc/version\n`);
    },
    build: async () =>
      JSON.parse(
        await lab.bootyard('image', 'build', built, folder, '--network', 'none', '--force', '--json'),
      ) as Awaited<ReturnType<Source['build']>>,
  };
  source.save('0');
  await source.build();
  return source;
}

/** The Debian image, until a node could boot it: what is not moved counts most there. */
async function large(lab: TestLab): Promise<BenchRow> {
  const source = await sourceOf(lab, 'pc-x86-64-default');
  let round = 0;
  const figures = await inTurn(
    ROUNDS,
    () => {
      source.save(`ours-${++round}`);
      return timed(source.build);
    },
    () => {
      source.save(`theirs-${round}`, 'hand');
      return timed(() => byHand(lab, source));
    },
  );
  const name = 'saved Dockerfile change on the Debian image until it could be booted';
  return compared({ name, unit: 'ms', peerName: BY_HAND, target: 1, less: true }, figures);
}

async function measure(lab: TestLab): Promise<BenchRow[]> {
  const source = await sourceOf(lab, 'pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--image', source.built, '--wait');
  const moved: number[] = [];
  const whole: number[] = [];
  const ours: Round[] = [];
  const theirs: Round[] = [];
  const sides = [
    async (round: number): Promise<void> => {
      source.save(`ours-${round}`);
      const work = async (): Promise<void> => {
        const { movedBytes, image } = await source.build();
        moved.push(movedBytes);
        whole.push(image.sizeBytes);
      };
      ours.push(await booted(lab, `ours-${round}`, work));
    },
    async (round: number): Promise<void> => {
      source.save(`theirs-${round}`, 'hand');
      theirs.push(await booted(lab, `theirs-${round}`, () => byHandBooted(lab, source)));
    },
  ];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const side of round % 2 === 1 ? sides : sides.toReversed()) await side(round);
  }
  const by = `${BY_HAND}, reboot`;
  const middle = (rounds: Round[], what: keyof Round): number => median(rounds.map((round) => round[what]));
  return [
    row('saved Dockerfile change to booted', 'ms', middle(ours, 'booted'), middle(theirs, 'booted'), by),
    row(
      'saved Dockerfile change until the node restarts',
      'ms',
      middle(ours, 'restarted'),
      middle(theirs, 'restarted'),
      by,
    ),
    row('bytes moved for a changed Dockerfile', 'B', median(moved), median(whole), 'the whole image'),
  ];
}

async function byHand(lab: TestLab, { folder, built }: Source): Promise<void> {
  const archive = join(lab.home, 'saved.tar');
  docker(lab, 'build', '-q', '--network', 'none', '-t', 'by-hand', folder);
  docker(lab, 'save', '-o', archive, 'by-hand');
  await lab.bootyard('image', 'import', archive, built, '--force');
}

async function byHandBooted(lab: TestLab, source: Source): Promise<void> {
  await byHand(lab, source);
  await lab.bootyard('node', 'reboot', 'vnode1');
}

function docker(lab: TestLab, ...args: string[]): string {
  const env = { ...lab.env, DOCKER_BUILDKIT: '0' };
  return execFileSync('docker', args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Milliseconds since the change was saved. */
interface Round {
  restarted: number;
  booted: number;
}

/** `work` ends when the node restarts. */
async function booted(lab: TestLab, version: string, work: () => Promise<void>): Promise<Round> {
  const start = performance.now();
  await work();
  const restarted = performance.now() - start;
  await lab.bootyard('node', 'wait', 'vnode1');
  const ms = performance.now() - start;
  const found = (await lab.inNode('vnode1', 'cat /etc/version')).trim();
  if (found !== version) throw new Error(`the node is on ${found}, not ${version}`);
  return { restarted, booted: ms };
}

function row(name: string, unit: string, ours: number, peer: number, peerName: string): BenchRow {
  return { name, unit, ours, peer, peerName, ratio: peer / ours, target: 1, met: peer >= ours };
}
