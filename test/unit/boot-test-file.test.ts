import { describe, expect, test } from 'vitest';
import { readBootTest } from '../../backend/api/boot-test/cases.ts';

const read = (...lines: string[]) => readBootTest(`${lines.join('\n')}\n`, 'lab/n.boot.yaml');
function refusal(...lines: string[]): string {
  try {
    read(...lines);
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return 'nothing is wrong';
}

test('one case, with what a file leaves out', () => {
  const [only, ...others] = read('image: tiny');
  expect(others).toEqual([]);
  expect(only).toMatchObject({ name: 'n', image: 'tiny', stage: 'booted', settings: { 'boot.retries': 0 } });
});

test('a case for each combination of the matrix', () => {
  const cases = read(
    'name: boots',
    'settings: {ram: 1G}',
    'matrix:',
    '  image: [a, b]',
    '  firmware: [ipxe, uefi]',
  );
  expect(cases.map(({ name }) => name)).toEqual([
    'boots (image=a, firmware=ipxe)',
    'boots (image=a, firmware=uefi)',
    'boots (image=b, firmware=ipxe)',
    'boots (image=b, firmware=uefi)',
  ]);
  expect(cases[3]).toMatchObject({ image: 'b', settings: { ram: '1G', firmware: 'uefi' } });
});

test('faults of the link are restrictions of its network', () => {
  const [one] = read(
    'image: tiny',
    'faults: {loss: 2%, latency: 40ms, bandwidth: 10Mbps}',
    'settings: {networks: "home,walt-net"}',
  );
  expect(one?.settings.networks).toBe('home,walt-net[lat=40ms,bw=10Mbps,loss=2%]');
});

test('a kernel that must panic is waited for from its own stage on', () => {
  expect(read('image: tiny', 'expect: {panic: true}')[0]?.stage).toBe('kernel');
});

test('sizes are bytes, or millions of them', () => {
  const bytes = ['3', '40M', '2k'].map(
    (size) => read('image: tiny', `expect: {limits: {bytes: ${size}}}`)[0]?.spec.expect.limits.bytes,
  );
  expect(bytes).toEqual([3, 40_000_000, 2000]);
});

describe('what is refused, where and why', () => {
  test.each<[string[], string]>([
    [
      ['imgae: tiny'],
      "1:1: there is no 'imgae' here. There is name, image, model, settings, timeout, faults, expect, matrix.",
    ],
    [['name: x'], '1:1: name one image, or several as matrix: image.'],
    [['image: tiny', 'matrix: {image: [a]}'], '2:10: name one image, or several as matrix: image.'],
    [
      ['image: tiny', 'settings: {ram: 3}'],
      "2:17: Failed: ram value should be a number and M or G, such as 512M, not '3'.",
    ],
    [
      ['image: tiny', 'matrix: {ram: [512M, 3]}'],
      "2:10: Failed: ram value should be a number and M or G, such as 512M, not '3'.",
    ],
    [['image: tiny', 'settings: {rom: 3}'], "2:17: Unknown setting 'rom'."],
    [['image: tiny', 'settings: {boot.retries: 3}'], '2:26: a boot test boots once: leave boot.retries out.'],
    [['image: tiny', 'settings: {ram: 1G}', 'matrix: {ram: [2G]}'], '3:10: ram is among the settings, too.'],
    [['image: tiny', 'expect: {stage: login}'], '2:17: expect.stage: Invalid option'],
    [['image: tiny', 'expect: {console: ["("]}'], '2:20: expect.console.0.seen: not a regular expression'],
    [
      ['image: tiny', 'expect: {console: [{seen: a, never: b}]}'],
      '2:20: expect.console.0: one of seen and never, or a pattern alone.',
    ],
    [
      ['image: tiny', 'expect:', '  stage: kernel', '  commands: [{run: id}]'],
      '4:3: commands run in a node that is booted',
    ],
    [
      ['image: tiny', 'expect:', '  stage: kernel', '  limits: {seconds: 5}'],
      '4:3: limits are of the time until booted',
    ],
    [['image: tiny', 'expect: {panic: true, stage: booted}'], '2:17: a kernel that panics is not booted'],
    [['image: tiny', 'faults: {fullDisk: srv}'], '2:20: faults.fullDisk: a folder of the node, such as /'],
    [
      ['image: tiny', 'faults: {fullDisk: /}', 'expect: {stage: kernel}'],
      '2:20: a disk is filled once the node is booted: expect stage: booted.',
    ],
    [
      ['image: tiny', 'expect: {logs: [{stream: s}]}'],
      '2:17: expect.logs.0: one of seen and never, or a pattern alone.',
    ],
    [
      ['image: tiny', 'expect: {filesRead: [{seen: x, stream: s}]}'],
      "2:32: there is no 'stream' here. There is seen, never.",
    ],
    [
      ['image: tiny', 'expect: {limits: {bytes: 40 MB}}'],
      '2:26: expect.limits.bytes: bytes, or a size such as 40M.',
    ],
    [['image: tiny', 'faults: {loss: 2}'], '2:16: faults.loss: '],
    [['image: tiny', 'faults: {loss: 200%}'], "2:1: '"],
    [
      ['image: tiny', 'faults: {loss: 2%}', 'settings: {networks: "walt-net[lat=1ms]"}'],
      '2:1: walt-net has restrictions in the setting networks',
    ],
    [['image: tiny', 'model: z80'], '2:8: model: Invalid option'],
    [
      [
        'image: tiny',
        `matrix: {ram: [${Array(17).fill('1G').join(',')}], cpu.cores: [${Array(17).fill(1).join(',')}]}`,
      ],
      '2:1: these are 289 boots; a file may have 256.',
    ],
  ])('%j', (lines, message) => {
    expect(refusal(...lines)).toContain(`lab/n.boot.yaml:${message}`);
  });
});
