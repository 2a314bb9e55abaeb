import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readBootTest } from '../../backend/api/boot-test/cases.ts';
import { BootTestRunner } from '../../backend/api/boot-test/run.ts';
import { type ApiClient, connect } from '../../backend/api/client.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labPaths } from '../../backend/state/paths.ts';
import { bootTimes, FakeBoots } from '../support/boot-tests.ts';
import { CommandLine } from '../support/cli.ts';
import { until } from '../support/lab.ts';

const line = new CommandLine();
let client: ApiClient;
let boots: FakeBoots;

beforeAll(async () => {
  await line.startDaemon();
  client = await connect(labPaths(line.env).daemonSocket, { version: '1.2.3' });
});
afterAll(async () => {
  client.dispose();
  await line.stopDaemon();
  line.remove();
});
beforeEach(() => {
  boots = new FakeBoots();
  line.handlers = boots.handlers;
});

/** Runs the cases of a file; answers the expectations that were not met. */
async function failures(...lines: string[]): Promise<string[]> {
  const runner = new BootTestRunner(client);
  const options = { signal: new AbortController().signal, keep: false, onProgress: (): void => {} };
  const found: string[] = [];
  for (const one of readBootTest(`${lines.join('\n')}\n`, 'a.boot.yaml')) {
    const result = await runner.run(one, options);
    found.push(...result.failures.map(({ line, column, message }) => `${line}:${column}: ${message}`));
  }
  await until(
    'let go',
    () => boots.released,
    (count) => count === boots.begun.length,
  );
  return found;
}

test('a case passes: its node is begun with its settings, cut off at the stage, and let go', async () => {
  const found = await failures(
    'image: tiny',
    'settings: {ram: 1G}',
    'faults: {loss: 1%, serverDown: {at: kernel, seconds: 5}}',
    'expect:',
    '  console: [Welcome]',
    '  logs: [^one$, {seen: two, stream: app}, {never: one, stream: other}, {never: three}]',
    '  commands: [{run: echo hello; exit 3, exit: 3, output: ^hello$}]',
    '  limits: {seconds: 10, bytes: 23M}',
    '  filesRead: [^/sbin/init$, {never: ^/usr}]',
  );
  expect(found).toEqual([]);
  expect(boots.begun).toEqual([
    { image: 'tiny', settings: { 'boot.retries': 0, ram: '1G', networks: 'walt-net[loss=1%]' } },
  ]);
  expect(boots.cuts).toEqual([{ node: 'boot-test', seconds: 5 }]);
});

describe('what is not as expected is said at its line', () => {
  test.each<[string, string[], () => void, string]>([
    [
      'stage',
      ['expect:', '  stage: booted'],
      () => boots.fail('Kernel panic - not syncing (kernel).'),
      '3:10: The boot did not come to booted: Kernel panic - not syncing (kernel). The check of the image says: init.missing: The image has no /sbin/init. Add one.',
    ],
    [
      'time',
      ['timeout: 0.1'],
      () => (boots.looks = [{ state: 'booting', stage: 'dhcp' }]),
      ': The boot did not come to booted: it is at dhcp after 0.1 s.',
    ],
    [
      'servers down',
      ['timeout: 0.5', 'faults: {serverDown: {at: dhcp, seconds: 9}}'],
      () => (boots.looks = [{ state: 'booting', stage: 'dhcp' }]),
      'it is at dhcp after 0.5 s. The file has the servers of the lab down for the node from dhcp on, for 9 s.',
    ],
    [
      'servers that were down',
      ['timeout: 0.9', 'faults: {serverDown: {at: dhcp, seconds: 0.1}}'],
      () => (boots.looks = [{ state: 'booting', stage: 'dhcp' }]),
      'it is at dhcp after 0.9 s. The check',
    ],
    [
      'reboot',
      [],
      () =>
        (boots.looks = ['10', '20'].map((second) => ({
          state: 'booting',
          bootStartedAt: `2026-01-01T00:00:${second}.000Z`,
        }))),
      ': The boot did not come to booted: the node rebooted by itself (ended at init (no /sbin/init)).',
    ],
    [
      'pattern',
      ['expect:', '  settle: 0.1', '  console: [Hello]'],
      () => {},
      "4:13: No line of the console matches /Hello/ within 0.1 s of booted; the last line is 'Welcome'.",
    ],
    [
      'never',
      ['expect:', '  console:', '    - never: come$'],
      () => {},
      "4:7: The console shows what it never may: 'Welcome' matches /come$/.",
    ],
    [
      'logs',
      ['expect:', '  settle: 0.1', '  logs: [{seen: one, stream: other}]'],
      () => {},
      "4:10: No line that the node logs matches /one/ within 0.1 s of booted; the last line is 'app: two'.",
    ],
    [
      'never in logs',
      ['expect:', '  logs: [{never: ^t}]'],
      () => {},
      "3:10: The node logs what it never may: 'two' matches /^t/.",
    ],
    [
      'bytes',
      ['expect: {limits: {bytes: 22M}}'],
      () => {},
      '2:26: The boot fetched 23.0 MB by TFTP and HTTP, and may fetch 22.0 MB; most of it: /boot/20000000 20.0 MB, /boot/3000000 3.0 MB.',
    ],
    [
      'files',
      ['expect:', '  filesRead: [kernel$, /etc]'],
      () => {},
      '3:24: No file that the node has read matches //etc/; it has read 2 files of tiny.',
    ],
    [
      'files that may not be read',
      ['expect:', '  filesRead: [{never: init}]'],
      () => {},
      "3:15: The node has read what it never may: '/sbin/init' matches /init/.",
    ],
    [
      'files that are not seen',
      ['expect:', '  filesRead: [{never: /usr}]'],
      () => (boots.isCopied = true),
      "3:15: Image tiny went to the node's disk whole: what is read there is not seen.",
    ],
    [
      'a disk that is not filled',
      ['faults: {fullDisk: /proc}'],
      () => {},
      "2:20: The disk of /proc could not be filled: its file system is of the type 'proc', which is not filled.",
    ],
    [
      'exit',
      ['expect:', '  commands:', '    - run: echo oops; false'],
      () => {},
      "4:7: The command 'echo oops; false' ended with exit code 1, not 0: it printed 'oops'.",
    ],
    [
      'output',
      ['expect: {commands: [{run: "true", output: x}]}'],
      () => {},
      "2:21: The command 'true' prints nothing that matches /x/: it printed nothing.",
    ],
    [
      'within',
      ['expect: {commands: [{run: sleep 9, within: 0.2}]}'],
      () => {},
      "2:21: The command 'sleep 9' did not end within 0.2 s: it printed nothing.",
    ],
    [
      'limit',
      ['expect: {limits: {seconds: 9.5}}'],
      () => {},
      '2:28: The boot took 10.0 s, and may take 9.5 s.',
    ],
    [
      'panic',
      ['timeout: 0.5', 'expect: {panic: true}'],
      () => {},
      '3:17: The kernel was to panic, and did not.',
    ],
    [
      'later',
      ['expect:', '  stage: booted'],
      () =>
        (boots.looks = [
          { state: 'booted', ...bootTimes },
          { state: 'failed', reason: 'Kernel panic (after it was booted).', ...bootTimes },
        ]),
      ': The node was booted, and then it was failed: Kernel panic (after it was booted).',
    ],
  ])('%s', async (_, lines, set, message) => {
    set();
    const [first, ...others] = await failures('image: tiny', ...lines);
    expect(others).toEqual([]);
    expect(first).toContain(message);
  });

  test('a reason that says where the node rebooted by itself is not put into words again', async () => {
    boots.looks = ['10', '20'].map((second) => ({
      state: 'booting',
      bootStartedAt: `2026-01-01T00:00:${second}.000Z`,
    }));
    const list = line.handlers['node.boots'];
    line.handlers['node.boots'] = async (params, context) =>
      ((await list?.(params, context)) ?? []).map((one) => ({
        ...one,
        reason: 'Rebooted by itself at boot files: no kernel.',
      }));
    const [first] = await failures('image: tiny');
    expect(first).toContain('booted: the node rebooted by itself at boot files: no kernel.');
  });

  test('what the check of the image finds is not said twice', async () => {
    const reason = 'Stopped at init: the image has no /sbin/init; add one.';
    boots.fail(reason);
    expect(await failures('image: tiny')).toEqual([`1:1: The boot did not come to booted: ${reason}`]);
  });

  test('an image that is not there', async () => {
    line.handlers['bootTest.begin'] = () => {
      throw new BootyardError('image.unknown', "No such image 'tiny'.");
    };
    expect(await failures('image: tiny')).toEqual(["1:8: No such image 'tiny'."]);
  });

  test('a boot that is slower than its reference, which boots once for all cases', async () => {
    const slow = { ...bootTimes, bootedAt: '2026-01-01T00:00:31.000Z' };
    boots.looks = [{ state: 'booted', ...slow }];
    const list = line.handlers['node.list'];
    line.handlers['node.list'] = async (params, context) => {
      const isReference = boots.begun.at(-1)?.image === 'ref';
      const nodes = (await list?.(params, context)) ?? [];
      return nodes.map((one) => (isReference ? { ...one, ...bootTimes } : one));
    };
    const found = await failures(
      'matrix: {image: [one, two]}',
      'expect: {limits: {reference: {image: ref, ratio: 3}}}',
    );
    expect(found).toHaveLength(2);
    expect(found[0]).toContain(
      ': The boot took 31.0 s, 3.10 times as long as that of ref (10.0 s), and may take 3 times.',
    );
    expect(boots.begun.map(({ image }) => image)).toEqual(['one', 'ref', 'two']);
  });
});

test('a kernel that is to panic passes when it does', async () => {
  boots.fail('Kernel panic - not syncing: No working init found (kernel).');
  expect(await failures('image: tiny', 'expect: {panic: true}')).toEqual([]);
});

test('also when it reboots then, unless it panics earlier than it was to', async () => {
  boots.said = 'Welcome\n[    1.9] Kernel panic - not syncing: VFS\nRebooting in 30 seconds..\n';
  boots.looks = ['10', '20'].map((second) => ({
    state: 'booting',
    stage: 'firmware',
    bootStartedAt: `2026-01-01T00:00:${second}.000Z`,
  }));
  expect(await failures('image: tiny', 'expect: {panic: true}')).toEqual([]);
  boots.looks.unshift({ state: 'booting', bootStartedAt: '2026-01-01T00:00:10.000Z' });
  const [first] = await failures('image: tiny', 'expect: {panic: true, stage: init}');
  expect(first).toContain('The boot did not come to init: the node rebooted by itself');
});
