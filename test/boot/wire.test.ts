import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enterArgv } from '../../backend/lab/launch.ts';
import type { BootStep, Timeline } from '../../backend/api/boots.ts';
import { repository, TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const run = promisify(execFile);
const lab = new TestLab();
const folder = mkdtempSync(join(tmpdir(), 'by-wire-'));
beforeAll(async () => {
  chmodSync(folder, 0o777);
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('lab', 'start');
});
afterAll(async () => {
  await lab.remove();
  rmSync(folder, { recursive: true, force: true });
});

const inLab = (command: string[]): ChildProcess => {
  const [program = '', ...args] = enterArgv(lab.paths, command);
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
};

/**
 * The packets of a capture that a display filter selects, a line each. NFS is named by port: the kernel's client takes any
 * port below 1024, and tshark would believe that of rsync (873) or LDAP (636) more than ours.
 */
async function packets(file: string, filter: string, ...fields: string[]): Promise<string[]> {
  const format = fields.length === 0 ? [] : ['-T', 'fields', ...fields.flatMap((name) => ['-e', name])];
  const args = ['-r', file, '-d', 'tcp.port==2049,rpc', '-Y', filter, ...format];
  const { stdout } = await run('tshark', args, { maxBuffer: 64 << 20 });
  return stdout.split('\n').filter((line) => line !== '');
}

/** What the node's timeline says of each protocol, in packets, requests or calls. */
function countedBy({ steps }: Timeline): Record<string, number> {
  const of = (kind: BootStep['kind'], name: string): BootStep[] =>
    steps.filter((step) => step.kind === kind && step.name.startsWith(name));
  return {
    dhcp: of('dhcp', '').reduce((sum, { name }) => sum + (name.endsWith('no answer') ? 1 : 2), 0),
    tftp: of('file', 'tftp ').length,
    http: of('file', 'http ').length,
    nfs: of('nfs', '').reduce((sum, { calls = 0 }) => sum + calls, 0),
  };
}

async function countedIn(file: string): Promise<Record<string, number>> {
  const count = async (filter: string): Promise<number> => (await packets(file, filter)).length;
  // A segment may hold several calls, and a call several segments.
  const calls = await packets(file, 'rpc.msgtyp == 0 && rpc.program == 100003', 'rpc.msgtyp', 'rpc.program');
  const programs = calls.flatMap((line) => (line.split('\t')[1] ?? '').split(','));
  return {
    dhcp: await count('dhcp'),
    tftp: await count('tftp.opcode == 1'),
    http: await count('http.request'),
    nfs: programs.filter((program) => program === '100003').length,
  };
}

test('all packets of a boot are well-formed, and the timeline counts what tshark counts', async () => {
  const file = join(folder, 'boot.pcap');
  const capture = inLab(['tshark', '-q', '-i', 'walt-net', '-w', file, '-F', 'pcap']);
  const captured = once(capture, 'close');
  await new Promise<void>((resolve) => {
    capture.stderr?.on('data', (chunk) => String(chunk).includes('Capturing') && resolve());
  });
  await lab.bootyard('node', 'create', 'n1', '--image', 'pc-x86-64-tiny');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
  await lab.bootyard('node', 'stop', 'n1');
  const keeper = inLab(['sh', '-c', 'kill -INT $(pidof tshark dumpcap)']);
  await once(keeper, 'close');
  await captured;

  for (const protocol of ['dhcp', 'tftp', 'http', 'nfs', 'mount', 'portmap']) {
    expect([protocol, await packets(file, protocol)]).not.toEqual([protocol, []]);
  }
  expect(await packets(file, '_ws.malformed || tftp.opcode == 5')).toEqual([]);
  const timeline = await lab.timeline('n1');
  expect(countedBy(timeline)).toEqual(await countedIn(file));
  // All but a twentieth of the time from power-on to booted is in a stage that has a name.
  const booted = timeline.stages.find(({ name }) => name === 'booted');
  const before = timeline.stages.filter((stage) => stage !== booted && stage.name !== '');
  const named = before.reduce((sum, { durationMs }) => sum + durationMs, 0);
  expect(named / (booted?.startMs ?? 0)).toBeGreaterThan(0.95);
  expect(named / (booted?.startMs ?? 0)).toBeLessThanOrEqual(1);
});

test('junk on each of twelve ports does no harm while a node boots, and memory stays bounded', async () => {
  const perPort = isLong ? 100_000 : 10_000;
  const before = (await lab.status()).daemon;
  await lab.bootyard('node', 'create', 'n2', '--image', 'pc-x86-64-tiny');
  const script = join(folder, 'junk.mjs');
  copyFileSync(join(repository, 'test/support/junk.mjs'), script);
  const junk = inLab([process.execPath, script, '192.168.152.1', String(perPort)]);
  const ended = once(junk, 'close');
  let said = '';
  junk.stdout?.on('data', (chunk) => (said += String(chunk)));
  junk.stderr?.on('data', (chunk) => (said += String(chunk)));
  const [code] = await ended;
  expect([code, said]).toEqual([0, expect.stringContaining(`sent ${perPort * 12}`)]);
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n2');
  const after = (await lab.status()).daemon;
  expect(after?.pid).toBe(before?.pid);
  // Two floods of 900,000 packets in a row end at 154 MB, the second adding 11 MB.
  expect(after?.rssBytes).toBeLessThan(200_000_000);
  expect(await lab.inNode('n2', 'hostname')).toBe('n2\n');
});
