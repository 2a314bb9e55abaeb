import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';

const lab = new TestLab();
const names = ['n1', 'n2', 'n3'];
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  for (const name of names) await lab.bootyard('node', 'create', name, '--image', 'pc-x86-64-tiny');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'all-nodes');
});
afterAll(() => lab.remove());

describe('kill -9 of the daemon while three nodes run and one reads files', () => {
  test('a new daemon adopts the nodes; reads, consoles and shells go on', async () => {
    const before = await lab.status();
    const nodesBefore = await lab.nodes();
    const sums =
      'for i in 1 2 3 4 5 6; do echo 3 > /proc/sys/vm/drop_caches; find /bin /sbin /lib /usr /boot -xdev -type f -exec md5sum {} + ; [ $i = 1 ] && echo begun >&2; done | sort | uniq -c | sort -k3';
    const reading = lab.spawn('node', 'run', 'n1', sums);
    const ended = once(reading, 'close');
    let read = '';
    reading.stdout?.on('data', (chunk) => (read += String(chunk)));
    let said = '';
    reading.stderr?.on('data', (chunk) => (said += String(chunk)));
    // One pass of six is done and the next one reads: the daemon dies in the middle of it.
    await until(
      'reads have begun',
      () => said,
      (text) => text.includes('begun'),
    );
    expect(read).toBe('');

    process.kill(before.daemon?.pid ?? 0, 'SIGKILL');
    const killed = Date.now();
    const after = await until(
      'a new daemon',
      () => lab.run('lab', 'status', '--json'),
      ({ stdout }) =>
        stdout.includes('"pid"') &&
        !stdout.includes(`"pid": ${before.daemon?.pid},`) &&
        !stdout.includes(`"pid":${before.daemon?.pid},`),
      10_000,
    );
    expect(Date.now() - killed).toBeLessThan(3_000 + 1_000);
    expect(JSON.parse(after.stdout)).toMatchObject({ state: 'running', nodes: { total: 3 } });

    const [code] = await ended;
    expect(code).toBe(0);
    const counts = new Set(
      read
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/)[0]),
    );
    expect(counts).toEqual(new Set(['6']));

    await until(
      'all booted',
      () => lab.nodes(),
      (nodes) => nodes.every((node) => node.state === 'booted'),
    );
    const nodesAfter = await lab.nodes();
    expect(nodesAfter.map((node) => node.bootStartedAt)).toEqual(
      nodesBefore.map((node) => node.bootStartedAt),
    );
    for (const name of names) {
      const uptime = Number((await lab.inNode(name, 'cut -d. -f1 /proc/uptime')).trim());
      expect(uptime).toBeGreaterThan(5);
    }
  });

  test('the console has its history and takes input after the restart', async () => {
    const console_ = lab.spawn('node', 'console', 'n2');
    let text = '';
    console_.stdout?.on('data', (chunk) => (text += String(chunk)));
    await until(
      'history',
      () => text,
      (all) => all.includes('iPXE') && all.includes('Linux version'),
    );
    console_.stdin?.write('\n');
    console_.stdin?.write('echo typed-$((40+2))\n');
    await until(
      'answer',
      () => text,
      (all) => all.includes('typed-42'),
    );
    console_.kill();
  });

  test('nodes reboot and stop under the new daemon', async () => {
    await lab.bootyard('node', 'reboot', 'n3');
    await lab.bootyard('node', 'wait', '--timeout', '280', 'n3');
    await lab.bootyard('node', 'stop', 'n3');
    expect(await lab.node('n3')).toMatchObject({ state: 'off' });
  });
});
