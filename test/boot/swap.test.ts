import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';
import { importVariant, programOfHost } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const MIB = 1024 * 1024;
const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await importVariant(lab, 'with-nbd', { copy: programOfHost('/sbin/nbd-client') });
  await lab.bootyard('node', 'create', '--wait', 'big', '--image', 'with-nbd', 'ram=256M');
}, 300_000);
afterAll(() => lab.remove());

/** Bytes on the host's disk of each swap space, as the process has them open that holds them. */
function swapSpaces(): number[] {
  const isServer = (pid: string): boolean => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return words[0]?.endsWith('node') === true && words.includes(lab.paths.data);
    } catch {
      return false;
    }
  };
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isServer(name));
  if (pid === undefined) return [];
  const files = readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`);
  return files
    .filter((file) => readlinkSync(file).includes('.nbd-'))
    .map((file) => statSync(file).blocks * 512);
}
const swapped = async (): Promise<number> =>
  Number(await lab.inNode('big', "awk '/nbd0/ {print $4}' /proc/swaps")) * 1024;

async function consoleOf(name: string, wanted: string): Promise<string> {
  const viewer = lab.spawn('node', 'console', name);
  let text = '';
  viewer.stdout?.on('data', (chunk) => (text += String(chunk)));
  await until(
    'the console',
    () => text,
    (all) => all.includes(wanted),
  );
  viewer.kill();
  return text;
}

describe('a node with 256 MB of memory', () => {
  test('borrows 16 GB of swap space, and its root in RAM may grow into it', async () => {
    const look = () => lab.inNode('big', 'tail -n 1 /proc/swaps; df -m / | tail -n 1');
    const seen = await until('swap space', look, (text) => text.includes('nbd0'));
    expect(seen).toMatch(/^\/dev\/nbd0 +partition\s+16777212\s/);
    expect(seen).toMatch(/^union +8192 /m);
    expect(swapSpaces()).toHaveLength(1);
  });

  test.runIf(isLong)(
    'keeps 240 MB of data right, also while the daemon is killed and a new one comes',
    async () => {
      const write = 'dd if=/dev/urandom bs=1M count=240 2>/dev/null | tee /root/data | md5sum';
      const writing = lab.inNode('big', write);
      await until(
        'swapping',
        () => swapSpaces()[0] ?? 0,
        (bytes) => bytes > 5 * MIB,
        120_000,
      );
      const before = await lab.status();
      process.kill(before.daemon?.pid ?? 0, 'SIGKILL');
      const sum = await writing;
      const after = await until(
        'a new daemon',
        () => lab.status(),
        ({ daemon }) => daemon !== undefined,
      );
      expect(after.daemon?.pid).not.toBe(before.daemon?.pid);
      expect(await swapped()).toBeGreaterThan(20 * MIB);
      expect(await lab.inNode('big', 'md5sum </root/data')).toBe(sum);
      expect(
        await lab.inNode('big', 'dmesg | grep -ciE "write-error|read-error|i/o error|killed process" || :'),
      ).toBe('0\n');
      expect((await lab.node('big')).state).toBe('booted');
    },
  );

  test.runIf(isLong)('has none of it left when it is off, and empty space at its next boot', async () => {
    await lab.bootyard('node', 'stop', 'big');
    await until('no swap space', swapSpaces, (all) => all.length === 0);
    await lab.bootyard('node', 'boot', '--wait', 'big');
    // A node takes its swap space beside its boot.
    const [space] = await until('swap space', swapSpaces, (all) => all.length === 1);
    expect(space).toBeLessThan(MIB);
  });
});

test.runIf(isLong)(
  'a node whose image has no nbd-client says so and boots; with a swap disk it prefers that',
  async () => {
    await lab.bootyard('node', 'create', '--wait', 'local', '--image', 'pc-x86-64-tiny');
    const without = await consoleOf('local', 'Starting walt image init');
    expect(without).toContain("skipped, this feature needs 'nbd-client' on the image.");
    await lab.bootyard('node', 'config', 'local', 'disks=1G[template=swap]');
    await lab.bootyard('node', 'reboot', '--hard', 'local');
    await lab.bootyard('node', 'wait', '--timeout', '280', 'local');
    expect(await lab.inNode('local', 'cat /proc/swaps')).toMatch(/^\/dev\/sda1 +partition/m);
    const text = await consoleOf('local', 'Note: Preferring local swap.');
    expect(text).toContain('Activated swap on /dev/sda1.');
  },
);
