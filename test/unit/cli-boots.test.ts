import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BootSummary, Timeline } from '../../backend/api/boots.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());

const summary = (number: number, more: Partial<BootSummary> = {}): BootSummary => ({
  node: 'vnode1',
  number,
  image: 'tiny',
  startedAt: '2026-01-02T03:04:05.000Z',
  outcome: 'booted',
  reason: null,
  totalMs: 7000,
  ...more,
});
const stage = (name: string, startMs: number, durationMs: number, detail = '') => ({
  name,
  startMs,
  durationMs,
  detail,
});
const TIMELINES: Timeline[] = [
  {
    ...summary(1),
    stages: [stage('dhcp', 0, 1000, 'a; b'), stage('kernel', 1000, 6000)],
    steps: [
      {
        kind: 'dhcp',
        stage: 'dhcp',
        name: 'DISCOVER: OFFER',
        startMs: 10,
        durationMs: 0,
        detail: 'reserved',
      },
      {
        kind: 'file',
        stage: 'dhcp',
        name: 'tftp /x',
        startMs: 20,
        durationMs: 500,
        detail: '',
        bytes: 1e6,
        resent: 2,
      },
    ],
  },
  { ...summary(2, { totalMs: 9000 }), stages: [stage('dhcp', 0, 500), stage('init', 500, 8500)], steps: [] },
];

describe('boots', () => {
  let asked: unknown[];
  beforeEach(async () => {
    await cli.startDaemon();
    asked = [];
    cli.handlers['node.boots'] = () => [summary(2, { outcome: 'failed', reason: 'no kernel' }), summary(1)];
    cli.handlers['node.timeline'] = (params) => {
      asked.push(params);
      const found = TIMELINES.find(({ number }) => number === (params.boot ?? 1));
      if (!found) throw new Error('not there');
      return found;
    };
    cli.handlers['image.boots'] = ({ image }) => ({
      image,
      spread: [{ name: 'total', boots: 2, medianMs: 7000, p95Ms: 9000 }],
      boots: [summary(2), summary(1)],
    });
  });
  afterEach(() => cli.stopDaemon());
  const run = async (...args: string[]): Promise<string> => (await cli.run(args)).stdout;
  const cells = (text: string): string[][] => text.split('\n').map((line) => line.trim().split(/ {2,}/));

  test('of a node are listed, with why one failed', async () => {
    const [header, , ...rows] = cells(await run('node', 'boots', 'vnode1'));
    expect(header).toEqual(['boot', 'image', 'power-on', 'outcome', 'took', 'reason']);
    expect(rows.slice(0, 2)).toEqual([
      ['2', 'tiny', '2026-01-02T03:04:05.000Z', 'failed', '7.0 s', 'no kernel'],
      ['1', 'tiny', '2026-01-02T03:04:05.000Z', 'booted', '7.0 s'],
    ]);
    expect(JSON.parse(await run('node', 'boots', 'vnode1', '--json'))).toHaveLength(2);
    cli.handlers['node.boots'] = () => [];
    expect(await run('node', 'boots', 'vnode1')).toBe('vnode1 has not been booted yet.\n');
  });

  test('one is shown by its number, with its steps, or beside another one', async () => {
    expect(await run('node', 'timeline', 'vnode1')).toContain('vnode1, boot 1: booted, 7.0 s since power-on');
    const steps = await run('node', 'timeline', 'vnode1', '1', '--steps');
    expect(cells(steps).slice(4, 6)).toEqual([
      ['dhcp', '10 ms', 'DISCOVER: OFFER, reserved'],
      ['20 ms', '500 ms', 'tftp /x, 1.0 MB (2.0 MB/s), 2 blocks sent again'],
    ]);
    const compared = cells(await run('node', 'timeline', 'vnode1', '2', '--compare', '1'));
    expect(compared.slice(3)).toEqual([
      ['stage', 'boot 2', 'boot 1', 'difference'],
      expect.anything(),
      ['dhcp', '0.5 s', '1.0 s', '-0.5 s'],
      ['init', '8.5 s'],
      ['kernel', '6.0 s'],
      ['total', '9.0 s', '7.0 s', '+2.0 s'],
      [''],
    ]);
    expect(asked).toMatchObject([{}, { boot: 1 }, { boot: 2 }, { boot: 1 }]);
  });

  test.each(['x', '0', '-1', '1.5'])('%s is no number of a boot', async (word) => {
    const { code, stderr } = await cli.run(['node', 'timeline', 'vnode1', '--compare', word]);
    expect({ code, asked }).toEqual({ code: 2, asked: [] });
    expect(stderr).toContain('A boot is a number of `node boots`.');
  });

  test('of an image have a spread', async () => {
    const text = cells(await run('image', 'boots', 'tiny'));
    expect(text[2]).toEqual(['total', '2', '7.0 s', '9.0 s']);
    expect(text[6]).toEqual(['vnode1', '2', 'tiny', '2026-01-02T03:04:05.000Z', 'booted', '7.0 s']);
    cli.handlers['image.boots'] = ({ image }) => ({ image, spread: [], boots: [] });
    expect(await run('image', 'boots', 'tiny')).toBe('No boot on image tiny is on record.\n');
  });
});
