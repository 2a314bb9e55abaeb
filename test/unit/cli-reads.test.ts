import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { ImageUsage } from '../../backend/api/reads.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
beforeEach(() => cli.startDaemon());
afterEach(() => cli.stopDaemon());
const cells = (text: string): string[][] => text.split('\n').map((line) => line.trim().split(/ {2,}/));
const run = async (...args: string[]): Promise<string> => (await cli.run(args)).stdout;

test('the files that a boot read are listed with when and how much', async () => {
  const reads = [
    { path: 'boot/kernel', bytes: 7_000_000, atMs: 900, waitedMs: 12.4 },
    { path: 'bin/', bytes: 0, atMs: 950, waitedMs: 0 },
    { path: 'bin/tool', bytes: 400, atMs: 9000, waitedMs: 0.3 },
  ];
  const boot = { node: 'n1', number: 3, image: 'tiny', bootedMs: 5000, isCopied: false, reads };
  cli.handlers['node.reads'] = ({ boot: number }) => ({ ...boot, number: number ?? 3 });
  expect(cells(await run('node', 'reads', 'n1'))).toEqual([
    ['n1, boot 3: 2 files of tiny read, 7.0 MB; 1 before it was booted'],
    [''],
    ['at', 'read', 'waited', 'file'],
    expect.anything(),
    ['0.9 s', '7.0 MB', '12 ms', '/boot/kernel'],
    ['0.9 s', 'listed', '/bin/'],
    ['9.0 s', '400 B', '0.3 ms', '/bin/tool'],
    [''],
  ]);
  expect(JSON.parse(await run('node', 'reads', 'n1', '2', '--json'))).toEqual({ ...boot, number: 2 });
  cli.handlers['node.reads'] = () => ({ ...boot, bootedMs: null, isCopied: true });
  expect(await run('node', 'reads', 'n1')).toContain('The image went to the node whole');
});

const USAGE: ImageUsage = {
  image: 'tiny',
  boots: 2,
  copied: 1,
  older: 3,
  all: { files: 100, bytes: 1_000_000 },
  read: { files: 10, bytes: 125_000 },
  needed: { files: 1, bytes: 100_000 },
  largest: [{ path: 'boot/kernel', bytes: 100_000, atMs: 900, waitedMs: 0 }],
  waitedFor: [{ path: 'bin/tool', bytes: 400, atMs: 1200, waitedMs: 2.25 }],
  waitedMs: 31,
  untouchedDirectories: Array.from({ length: 25 }, (_, at) => ({ name: `/d${at}`, files: 2, bytes: 5000 })),
  untouchedPackages: [{ name: 'perl', files: 50, bytes: 500_000 }],
};

test('an image tells what its boots need and never touch', async () => {
  cli.handlers['image.usage'] = () => USAGE;
  const text = await run('image', 'usage', 'tiny');
  expect(text).toContain(
    '2 boots of tiny (without 1 that took the image whole and 3 of what it was before).',
  );
  expect(text).toContain('Read: 10 files, 125 kB of 100 files, 1.0 MB (12.5 % of the bytes).');
  expect(text).toContain('Needed by each boot until it was booted, and read ahead: 1 file, 100 kB.');
  expect(text).toContain('… and 5 more (--json lists all)');
  expect(cells(text)).toContainEqual(['500 kB', '50', 'perl']);
  expect(cells(text)).toContainEqual(['0.9 s', '100 kB', '/boot/kernel']);
  expect(text).toContain('The last boot waited 31 ms for the disk of this machine');
  expect(cells(text)).toContainEqual(['1.2 s', '400 B', '2.3 ms', '/bin/tool']);
  expect(JSON.parse(await run('image', 'usage', 'tiny', '--json'))).toEqual(USAGE);
  cli.handlers['image.usage'] = () => ({ ...USAGE, boots: 0 });
  expect(await run('image', 'usage', 'tiny')).toMatch(
    /^No boot over the network that read tiny is on record/,
  );
});
