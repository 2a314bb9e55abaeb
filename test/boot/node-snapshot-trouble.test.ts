import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/lab.ts';
import { SnapshotLab, stopProcess, savesMemory } from '../support/snapshots.ts';
import { importVariant, programOfHost } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

/** The lab's files are on a small disk of their own. */
const home = mkdtempSync(join(tmpdir(), 'by-'));
// Nothing takes it away again where all of it is passed over.
if (isLong) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=900m', 'by-small', home]);
const lab = new SnapshotLab({ home });
const MIB = 1024 * 1024;
const SAVE = ['node', 'snapshot', 'save', 'n1', 's1'];
const filler = join(home, 'filler');

/** Leaves that much room on the small disk, MiB. */
function leave(room: number): void {
  const { bavail, bsize } = statfsSync(home);
  const count = Math.ceil((bavail * bsize) / MIB) - room;
  // With no room left, dd says so.
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M', `count=${count}`]);
}
/** Does that while the memory is being written. */
async function inSave(act: () => void): Promise<void> {
  const writer = await stopProcess(savesMemory(lab));
  try {
    act();
  } finally {
    process.kill(writer, 'SIGCONT');
  }
}
const hasSwap = () =>
  until(
    'swap space',
    () => lab.inNode('n1', 'grep /dev/nbd0 /proc/swaps || :'),
    (line) => line !== '',
  );
/** The node goes on as if it had not been to be saved. */
async function nothingIsLeft(): Promise<void> {
  await until(
    'no folder',
    () => lab.snapshotFolders('n1'),
    (names) => names.length === 0,
  );
  await until(
    'booted',
    () => lab.node('n1'),
    ({ state, reason }) => state === 'booted' && reason === null,
  );
  expect(await lab.snapshots('n1')).toEqual([]);
  await lab.isCounting('n1');
  await hasSwap();
}

beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await importVariant(lab, 'with-nbd', { copy: programOfHost('/sbin/nbd-client') });
  await lab.bootyard('node', 'create', 'n1', '--image', 'with-nbd', 'ram=256M', 'disks=1G[template=ext4]');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
  await lab.startCounter('n1');
  await hasSwap();
}, 300_000);
afterAll(async () => {
  await lab.run('lab', 'stop');
  execFileSync('umount', [home]);
  rmSync(home, { recursive: true });
});

test.runIf(isLong)('ctrl-C ends a save: the node goes on, and nothing is left', async () => {
  const saving = lab.spawn(...SAVE);
  const closed = once(saving, 'close');
  await inSave(() => saving.kill('SIGINT'));
  expect(await closed).toEqual([130, null]);
  await nothingIsLeft();
});

test.runIf(isLong)('a save that would fill the disk is refused before the node is paused', async () => {
  leave(150);
  const said = await lab.refusal(...SAVE);
  rmSync(filler);
  expect(said).toMatch(
    /^A snapshot of n1 may take 0\.[2-4]G, and 0\.2G are free where it would be \(\S+\): make room first\.$/,
  );
  await nothingIsLeft();
});

test.runIf(isLong)(
  'a disk that fills up meanwhile: a sentence, the node goes on, and nothing is left',
  async () => {
    const saving = lab.refusal(...SAVE);
    await inSave(() => leave(0));
    const said = await saving;
    rmSync(filler);
    // Fast machines have the memory in the file by then.
    expect(said).toMatch(
      /^(The memory could not be saved: no room is left on|A disk could not be copied: .* No space left on)/,
    );
    await nothingIsLeft();
  },
);

/** Takes its time over giving the swap space back. */
const SLOW = `cd /usr/sbin && mv nbd-client nbd-client.real && cat >nbd-client <<'end' && chmod +x nbd-client
#!/bin/sh
nbd-client.real "$@"; code=$?
[ "$1" != -d ] || until [ -e /tmp/go ]; do echo >/tmp/given-back; sleep 0.1; done
exit $code
end`;

test.runIf(isLong)(
  'kill -9 of the daemon while the node prepares for a save: it has its swap space again',
  async () => {
    await lab.inNode('n1', SLOW);
    const { daemon } = await lab.status();
    const saving = lab.run(...SAVE);
    await until(
      'swap space given back',
      () => lab.inNode('n1', 'ls /tmp'),
      (names) => names.includes('given-back'),
    );
    process.kill(daemon?.pid ?? 0, 'SIGKILL');
    expect((await saving).status).toBe(1);
    await lab.inNode('n1', 'grep /dev/nbd0 /proc/swaps; echo >/tmp/go');
    await nothingIsLeft();
  },
);

test.runIf(isLong)('what was refused or broken off works after that', async () => {
  await lab.inNode('n1', 'echo then >/tmp/file');
  await lab.bootyard(...SAVE);
  await lab.inNode('n1', 'echo later >/tmp/file');
  await lab.bootyard('node', 'snapshot', 'restore', 'n1', 's1', '--force');
  expect(await lab.inNode('n1', 'cat /tmp/file')).toBe('then\n');
  await hasSwap();
});
