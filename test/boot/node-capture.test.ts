import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { CaptureInfo } from '../../backend/api/capture.ts';
import { TestLab, until } from '../support/lab.ts';

const run = promisify(execFile);
const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'n1', '--image', 'pc-x86-64-tiny');
});
afterAll(() => lab.remove());

const capture = (verb: string, ...words: string[]): Promise<string> =>
  lab.bootyard('node', 'capture', verb, 'n1', ...words);
const captures = async (): Promise<CaptureInfo[]> =>
  z.array(CaptureInfo).parse(JSON.parse(await capture('list', '--json')));
const open = async (...words: string[]): Promise<string> => (await capture('open', ...words)).trim();

/** What tshark tells of the packets that a filter selects, a line each. */
async function tshark(file: string, filter: string, field = 'frame.number'): Promise<string[]> {
  const args = ['-r', file, '-d', 'tcp.port==2049,rpc', '-Y', filter, '-T', 'fields', '-e', field];
  const { stdout } = await run('tshark', args, { maxBuffer: 64 << 20 });
  return stdout.split('\n').filter((line) => line !== '');
}

test('a boot is captured from its power-on: what we tell of it is what tshark counts', async () => {
  expect(await lab.run('node', 'capture', 'open', 'n1')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("Node n1 has no capture. 'bootyard node capture start n1' begins one."),
  });
  await capture('start', '--max-size', '50M');
  await lab.bootyard('node', 'boot', '--wait', 'n1');
  // Every DHCP message is there with the first of them, which a power-on begins with.
  const dhcp = async (): Promise<string[]> =>
    (await capture('show')).split('\n').filter((line) => / DHCP /.test(line));
  await until('the capture has the boot', dhcp, (found) => found.length >= 4);
  const file = await open();
  const shown = await capture('show');
  const numbers = (pattern: RegExp): string[] =>
    shown.split('\n').flatMap((line) => (pattern.test(line) ? [line.trim().split(' ')[0] ?? ''] : []));
  expect(numbers(/ DHCP +/)).toEqual(await tshark(file, 'dhcp'));
  expect(numbers(/ TFTP +/)).toEqual(await tshark(file, 'tftp'));
  expect(numbers(/ HTTP +GET /)).toEqual(await tshark(file, 'http.request'));
  expect(numbers(/ MOUNT +MNT call/)).toEqual(
    await tshark(file, 'mount.procedure_v3 == 1 && rpc.msgtyp == 0'),
  );
  const stages = (await tshark(file, 'frame.comment', 'frame.comment')).join('\n');
  for (const stage of ['firmware', 'dhcp', 'boot files', 'root'])
    expect(stages).toContain(`stage ${stage}, `);
  expect((await tshark(file, 'frame.comment contains "stage dhcp"', 'dhcp.option.dhcp'))[0]).toBe('1');
});

test('it outlives the daemon, has each packet of a protocol once, and stops', async () => {
  const before = await captures();
  expect(before[0]).toMatchObject({ network: 'walt-net', boot: 2, state: 'going on', maxBytes: 50_000_000 });
  const { daemon } = await lab.status();
  process.kill(daemon?.pid ?? 0, 'SIGKILL');
  await until(
    'a new daemon',
    () => lab.run('lab', 'status', '--json'),
    ({ status, stdout }) => status === 0 && !stdout.includes(`"pid": ${daemon?.pid},`),
  );
  await lab.inNode('n1', 'udhcpc -i eth0 -n -q -s /bin/true || :');
  // A trace ends with its capture.
  const trace = lab.bootyard('node', 'capture', 'show', 'n1', '--trace', 'dhcp');
  await capture('stop');
  const told = (await trace).trimEnd().split('\n');
  expect(told.map((line) => line.trim().split(' ')[0])).toEqual(await tshark(await open(), 'dhcp'));
  expect((await captures())[0]).toMatchObject({ state: 'ended', lost: 0, boot: 2 });
  expect(await lab.run('node', 'capture', 'stop', 'n1')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is not captured: there is nothing to stop'),
  });
});

test('one that is full says so; nothing is left of a node that is removed', async () => {
  await capture('start', '--max-size', '100k');
  await lab.inNode('n1', 'head -c 300000 /dev/urandom | base64');
  const [full] = await until('a full capture', captures, ([last]) => last?.state === 'full');
  expect(full?.bytes).toBe(100_000);
  const { stderr, stdout } = await lab.run('node', 'capture', 'open', 'n1');
  expect(stderr).toContain('The capture of n1 in walt-net is full (100 kB): later packets are not in it.');
  expect(existsSync(stdout.trim())).toBe(true);
  await lab.bootyard('node', 'remove', '--force', 'n1');
  expect(readdirSync(join(stdout.trim(), '../../..'))).toEqual([]);
});
