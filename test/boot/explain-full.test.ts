import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { brokenLab, type Broken } from '../support/explain.ts';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

/** Root only: a disk of the host that holds the lab alone, and not much besides. */
const canMount = isLong && process.getuid?.() === 0;
const disk = mkdtempSync(join(tmpdir(), 'by-d-'));
if (canMount) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200M', 'full', disk]);
const home = join(disk, 'h');
mkdirSync(home);
const filler = join(disk, 'filler');
// Such hooks run in reverse: the lab is gone by then.
afterAll(() => {
  if (canMount) execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true });
});
const { lab, expectCause, awaited, booted } = brokenLab(new TestLab({ home }));

function fill(): void {
  try {
    for (;;) writeFileSync(filler, Buffer.alloc(1 << 16), { flag: 'a' });
  } catch {
    // It is full.
  }
}

/** Nothing can be written down then, not even that a boot has failed. */
test.runIf(canMount)('a boot on a host whose disk is full', async () => {
  await lab.bootyard('node', 'create', 'n1', '--image', 'pc-x86-64-tiny');
  await booted('n1');
  await lab.bootyard('node', 'stop', 'n1');
  fill();
  const { status, stderr } = await lab.run('node', 'boot', 'n1');
  rmSync(filler);
  const sentence = expect.stringMatching(
    /Not started: the disk of this host is full \(.+\); make room on it: .+\.$/m,
  );
  expect([status, stderr]).toEqual([1, sentence]);
  expect(await lab.node('n1')).toMatchObject({ state: 'failed', reason: sentence });
  await lab.bootyard('node', 'boot', 'n1');
  await booted('n1');
  await lab.bootyard('node', 'remove', '--force', 'n1');
});

const paused: Broken = {
  cause: 'disk.host-full',
  settings: ['disks=1G'],
  meanwhile: async (node) => {
    await booted(node);
    // Zeros would take no room.
    await lab.inNode(node, 'setsid sh -c "yes | dd of=/dev/sda bs=1M" >/dev/null 2>&1 </dev/null &');
    await awaited(node, ({ reason }) => reason?.startsWith('Paused: ') ?? false);
  },
  words: ["Paused: the disk of this host is full (the host's disk is full", 'make room on it'],
};
test.runIf(canMount)('disk.host-full', () => expectCause(paused));
