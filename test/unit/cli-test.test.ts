import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { FakeBoots } from '../support/boot-tests.ts';
import { CommandLine } from '../support/cli.ts';
import { until } from '../support/lab.ts';

const line = new CommandLine();
const { run, terminal } = line;
const folder = join(line.folder, 'tests');
const file = join(folder, 'a.boot.yaml');
let boots: FakeBoots;

beforeAll(async () => {
  mkdirSync(join(folder, 'deep/node_modules/x'), { recursive: true });
  await line.startDaemon();
});
afterAll(async () => {
  await line.stopDaemon();
  line.remove();
});
beforeEach(() => {
  boots = new FakeBoots();
  line.handlers = boots.handlers;
});
afterEach(() =>
  until(
    'let go',
    () => boots.released,
    (count) => count >= boots.begun.filter(({ image }) => !image.startsWith('test-')).length,
  ),
);

function write(...lines: string[]): void {
  writeFileSync(file, `${lines.join('\n')}\n`);
}

test('TAP, JUnit and JSON; folders are looked through; a filter leaves cases out', async () => {
  write('name: named', 'matrix: {image: [tiny, other]}');
  writeFileSync(join(folder, 'deep/b.boot.yaml'), 'image: tiny\nexpect: {settle: 0.1, console: [Nothing]}\n');
  writeFileSync(join(folder, 'deep/node_modules/x/c.boot.yaml'), 'image: tiny\n');
  const xml = join(line.folder, 'report.xml');
  const tap = await run(['test', folder, '--tap', '--junit', xml]);
  expect(tap.code).toBe(1);
  expect(tap.stdout.split('\n').filter((text) => /^(TAP|1\.\.|ok|not ok)/.test(text))).toEqual([
    'TAP version 14',
    '1..3',
    'ok 1 - named (image=tiny)',
    'ok 2 - named (image=other)',
    'not ok 3 - b',
  ]);
  expect(readFileSync(xml, 'utf8')).toContain('tests="3" failures="1"');
});

test('JSON of what a filter leaves, and the list', async () => {
  write('name: named', 'matrix: {image: [tiny, other]}');
  const json = await run(['test', folder, '--json', '--filter', 'other']);
  expect(JSON.parse(json.stdout)).toMatchObject([
    { name: 'named (image=other)', failures: [], bootSeconds: 10 },
  ]);
  expect((await run(['test', folder, '--list'])).stdout).toBe(
    `${file}: named (image=tiny)\n${file}: named (image=other)\n${join(folder, 'deep/b.boot.yaml')}: b\n`,
  );
  expect(await run(['test', folder, '--filter', 'nope'])).toMatchObject({ code: 2, stdout: '' });
});

test('what is wrong with files, or with a report, is said before anything boots', async () => {
  write('image: tiny', 'expect: {stage: login}');
  const bad = await run(['test', file, join(folder, 'deep')]);
  expect([bad.code, bad.stderr, boots.begun]).toEqual([
    1,
    expect.stringMatching(/a\.boot\.yaml:2:17: expect\.stage: /),
    [],
  ]);
  write('image: tiny');
  const report = await run(['test', file, '--junit', '/nowhere/x.xml']);
  expect([report.code, report.stderr]).toEqual([
    1,
    expect.stringContaining('/nowhere/x.xml cannot be written'),
  ]);
  expect(await run(['test', '/nowhere'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cannot be read'),
  });
  expect(await run(['test', file, '--tap', '--json'])).toMatchObject({ code: 2 });
  expect(boots.begun).toEqual([]);
});

test('--keep leaves the node of a case that fails, and only that', async () => {
  write('image: tiny', 'expect: {settle: 0.1, console: [Nothing]}');
  const { stdout } = await run(['test', file, '--keep']);
  expect(stdout).toContain('its node is test-a-2: bootyard node console test-a-2');
  expect([boots.begun, boots.removed]).toEqual([[{ image: 'test-a-2' }], []]);
  write('image: tiny');
  expect((await run(['test', file, '--keep'])).code).toBe(0);
  expect(boots.removed).toEqual(['test-a-2']);
});

test('ctrl-C lets the node go', async () => {
  boots.looks = [{ state: 'booting', stage: 'kernel' }];
  write('image: tiny');
  const screen = terminal(['test', file, '--tap']);
  await screen.shows('a: kernel');
  screen.type('\u0003');
  expect(await screen.exit).toBe(130);
  expect(screen.text).toContain('Bail out! ');
});
