import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enterArgv } from '../../backend/lab/launch.ts';
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
async function packets(file: string, filter: string): Promise<string[]> {
  const args = ['-r', file, '-d', 'tcp.port==2049,rpc', '-Y', filter];
  const { stdout } = await run('tshark', args, { maxBuffer: 64 << 20 });
  return stdout.split('\n').filter((line) => line !== '');
}

test('tshark finds no malformed frame in all packets of a boot', async () => {
  const file = join(folder, 'boot.pcap');
  const capture = inLab(['tshark', '-q', '-i', 'walt-net', '-w', file, '-F', 'pcap']);
  const captured = once(capture, 'close');
  await new Promise<void>((resolve) => {
    capture.stderr?.on('data', (chunk) => String(chunk).includes('Capturing') && resolve());
  });
  await lab.bootyard('node', 'create', 'n1', '--image', 'pc-x86-64-tiny');
  await lab.bootyard('node', 'wait', '--timeout', '120', 'n1');
  const keeper = inLab(['sh', '-c', 'kill -INT $(pidof tshark dumpcap)']);
  await once(keeper, 'close');
  await captured;

  for (const protocol of ['dhcp', 'tftp', 'http', 'nfs', 'mount', 'portmap']) {
    expect([protocol, await packets(file, protocol)]).not.toEqual([protocol, []]);
  }
  expect(await packets(file, '_ws.malformed || tftp.opcode == 5')).toEqual([]);
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
  await lab.bootyard('node', 'wait', '--timeout', '200', 'n2');
  const after = (await lab.status()).daemon;
  expect(after?.pid).toBe(before?.pid);
  // Two floods of 900,000 packets in a row end at 154 MB, the second adding 11 MB.
  expect(after?.rssBytes).toBeLessThan(200_000_000);
  expect(await lab.inNode('n2', 'hostname')).toBe('n2\n');
});
