import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generator } from '../support/generator.ts';
import { bootMode, debugfsAfterCut, PARTITION, waitFor } from '../support/hybrid-node.ts';
import { TestLab, until } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const random = generator(Number(process.env.HYBRID_SEED ?? 3));
/** `npm run test:all` cuts the power more often, and fills disks. */
const CUTS = isLong ? 20 : 1;
const TINY = 'pc-x86-64-tiny';

beforeAll(async () => {
  await lab.importDefault(TINY);
  // Not alike: each takes its own room on a disk.
  for (const name of ['other', 'third']) {
    const payload = randomBytes(8 << 20).toString('hex');
    await importVariant(lab, name, { add: { 'srv/payload': payload, 'etc/motd': name } });
  }
}, 240_000);
afterAll(() => lab.remove());

interface Copy {
  id: string;
  image: string | null;
  state: string;
  diffBytes: number;
  removed: boolean;
}
async function copies(node: string): Promise<Copy[]> {
  const disks = JSON.parse(await lab.bootyard('node', 'disk', 'show', node, '--json')) as {
    imageCopies: Copy[];
  }[];
  return disks.flatMap(({ imageCopies }) => imageCopies);
}
const images = async (node: string): Promise<(string | null)[]> =>
  (await copies(node)).map(({ image }) => image).toSorted();

/** Leaves 20 MiB of room on the partition of a node in hybrid boot. */
async function fill(node: string): Promise<void> {
  const room = `$(($(stat -f -c '%a * %S' ${PARTITION}) / 1048576 - 20))`;
  await lab.inNode(node, `dd if=/dev/zero of=${PARTITION}/filler bs=1M count=${room} 2>/dev/null && sync`);
}
async function boot(node: string, ...image: string[]): Promise<void> {
  await lab.bootyard('node', 'boot', node, ...image);
  await waitFor(lab, node);
}

describe('a power cut', () => {
  test(`at ${CUTS} moments of a copy: the next boot is right each time`, async () => {
    await lab.bootyard('node', 'create', 'cut1', 'disks=1G[template=hybrid-boot-v]');
    const { mac } = await lab.node('cut1');
    for (let cut = 0; cut < CUTS; cut++) {
      await until(
        'a copy that goes on',
        () => lab.node('cut1'),
        ({ reason, state }) => state === 'booted' || (reason?.startsWith('Copying') ?? false),
        200_000,
      );
      await delay(random(2500));
      // Stops QEMU as it is: what it had not written is lost.
      await lab.bootyard('node', 'stop', 'cut1');
      const [copy = ''] = /[0-9a-f]{64}/.exec(debugfsAfterCut(lab, mac, 'ls -p walt_hybrid')) ?? [];
      const state = debugfsAfterCut(lab, mac, `ls -p walt_hybrid/${copy}`);
      // A copy that has its final name is complete: it must not be fetched again.
      const isComplete = /\/image\//.test(state);
      await boot('cut1');
      expect([cut, await bootMode(lab, 'cut1')]).toEqual([cut, 'hybrid-volatile']);
      // An unfinished one is gone on with, which sends nothing when its last byte was there already.
      const { stages } = await lab.timeline('cut1');
      const detail = stages.find(({ name }) => name === 'walt-init')?.detail ?? '';
      const isGoneOnWith = detail.includes('Copying image to local disk');
      expect([cut, isComplete, isGoneOnWith]).toEqual([cut, isComplete, !isComplete]);
      if (isComplete) expect(detail).not.toContain('sent to the disk');
      const id = (await lab.inNode('cut1', '. /bin/walt-env; echo $walt_image_id')).trim();
      // The image's template is filled in where the server injects it, not in the copy.
      const sum =
        'find usr lib sbin boot -type f ! -name server-params.ipxe -print0 | sort -z | xargs -0 cat | sha256sum';
      const compare = `cd /run/walt/rootfs/mnt/nfsroot && ${sum}; cd ${PARTITION}/walt_hybrid/${id}/image && ${sum}`;
      const [served, copied] = (await lab.inNode('cut1', compare)).split('\n');
      expect([cut, copied]).toEqual([cut, served]);
      if (cut === CUTS - 1) break;
      await lab.inNode('cut1', `rm -rf ${PARTITION}/walt_hybrid/${id}; sync; sleep 1`);
      await lab.bootyard('node', 'stop', 'cut1');
      await lab.bootyard('node', 'boot', 'cut1');
    }
    await lab.bootyard('node', 'remove', '--force', 'cut1');
  }, 2_400_000);
});

describe.runIf(isLong)('room on the disk', () => {
  test('is made by removing the image that was booted the longest ago; disk show lists copies', async () => {
    await lab.bootyard('node', 'create', 'full1', 'disks=1G[template=hybrid-boot-v]');
    await waitFor(lab, 'full1');
    await boot('full1', 'other');
    await fill('full1');
    await until(
      'a report of both copies',
      () => images('full1'),
      (found) => found.length === 2,
    );
    await boot('full1', 'third');
    expect(await bootMode(lab, 'full1')).toBe('hybrid-volatile');
    await until(
      'a report',
      () => images('full1'),
      (found) => !found.includes(TINY),
    );
    expect(await images('full1')).toContain('third');
    const shown = await lab.bootyard('node', 'disk', 'show', 'full1');
    expect(shown).toMatch(/^[0-9a-f]{12} +third +sda1 +complete/m);
    await lab.bootyard('node', 'remove', '--force', 'full1');
  });

  test('is not made of what a persistent boot has written, unless the user allows it', async () => {
    await lab.bootyard('node', 'create', 'full2', 'disks=1G[template=hybrid-boot-p]');
    await waitFor(lab, 'full2');
    await lab.inNode(
      'full2',
      'echo precious >/root/note; dd if=/dev/zero of=/root/much bs=1M count=60 2>/dev/null; sync',
    );
    await fill('full2');
    await lab.bootyard('node', 'boot', 'full2', 'other');
    const failed = await until(
      'a failure',
      () => lab.node('full2'),
      ({ state }) => state === 'failed',
      200_000,
    );
    const command = /let it go with 'bootyard (node disk remove full2 [0-9a-f]{12}) --force'/.exec(
      failed.reason ?? '',
    )?.[1];
    expect([failed.reason, command]).toEqual([
      expect.stringMatching(/no room on sda1 for the image \(\d+ MiB needed, \d+ MiB free\)/),
      expect.any(String),
    ]);

    await boot('full2', TINY);
    expect(await lab.inNode('full2', 'cat /root/note')).toBe('precious\n');
    const words = (command ?? '').split(' ');
    await until(
      'a report',
      () => copies('full2'),
      ([copy]) => (copy?.diffBytes ?? 0) > 0,
    );
    expect((await lab.run(...words)).stderr).toContain('holds data');
    await lab.bootyard(...words, '--force');
    expect((await copies('full2'))[0]?.removed).toBe(true);
    await boot('full2', 'other');
    expect(await bootMode(lab, 'full2')).toBe('hybrid-persistent');
    await until(
      'a report',
      () => images('full2'),
      (found) => found.join() === 'other',
    );
    await lab.bootyard('node', 'remove', '--force', 'full2');
  });
});

test.runIf(isLong)(
  'boot.mode takes an unmarked partition only by name, and never discards what is marked persistent',
  async () => {
    await lab.bootyard('node', 'create', 'mode1', 'disks=1G[template=ext4]', 'boot.mode=hybrid-volatile');
    await waitFor(lab, 'mode1');
    expect(await bootMode(lab, 'mode1')).toBe('network');
    const stages = (await lab.timeline('mode1')).stages.map(({ detail }) => detail).join();
    expect(stages).toContain('Falling back to default boot mode: network-volatile.');

    await lab.bootyard('node', 'config', 'mode1', 'boot.mode=hybrid-persistent[partition=sda1]');
    await boot('mode1');
    expect(await bootMode(lab, 'mode1')).toBe('hybrid-persistent');
    await lab.inNode('mode1', 'echo kept >/root/note; sync');

    await lab.bootyard('node', 'config', 'mode1', 'boot.mode=hybrid-volatile');
    await boot('mode1');
    expect(await bootMode(lab, 'mode1')).toBe('network');
    await lab.bootyard('node', 'config', 'mode1', 'boot.mode=auto');
    await boot('mode1');
    expect(await lab.inNode('mode1', 'cat /root/note')).toBe('kept\n');
    await lab.bootyard('node', 'config', 'mode1', 'boot.mode=network-volatile');
    await boot('mode1');
    expect(await bootMode(lab, 'mode1')).toBe('network');
    await lab.bootyard('node', 'remove', '--force', 'mode1');
  },
);
