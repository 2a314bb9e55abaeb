import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freeSpaceWarning } from '../../backend/nodes/disks/apply.ts';
import { diskArguments } from '../../backend/nodes/disks/arguments.ts';
import type { DiskFile } from '../../backend/nodes/disks/files.ts';
import { planDisks } from '../../backend/nodes/disks/plan.ts';
import { parseDisks } from '../../backend/nodes/disks/setting.ts';
import {
  apply,
  asPlainUser,
  blkid,
  buildDiskProgram,
  debugfs,
  diskHooks,
  disks,
  files,
  isSound,
  node,
  OFFSET,
  onSmallDisk,
  table,
  tool,
  usedKib,
} from '../support/disks.ts';

diskHooks();
buildDiskProgram();

describe('the setting', () => {
  test.each([
    ['none', []],
    ['32G', [{ bytes: 32e9, template: 'none' }]],
    ['1G[template=swap],2T[template=ext4],3G', [1e9, 2e12, 3e9]],
    ['1G[template=hybrid-boot-v],1G[template=hybrid-boot-p],2T[template=fat32]', [1e9, 1e9, 2e12]],
  ])('%s', (text, expected) => {
    const parsed = parseDisks(text);
    expect(parsed.length).toBe(expected.length);
    for (const [index, disk] of expected.entries()) {
      if (typeof disk === 'number') expect(parsed[index]?.bytes).toBe(disk);
      else expect(parsed[index]).toEqual(disk);
    }
    for (const [index, [, template]] of [...text.matchAll(/template=([\w-]+)/g)].entries()) {
      expect(parsed[index]?.template).toBe(template);
    }
  });

  test.each([
    ['', "Could not parse disks value ''."],
    ['32', "Could not parse disks value '32'."],
    ['32g', "Could not parse disks value '32g'."],
    ['1G,', "Could not parse disks value '1G,'."],
    [' 1G', "Could not parse disks value ' 1G'."],
    ['1.5G', "Could not parse disks value '1.5G'."],
    ['1G[template=ext4', 'Could not parse'],
    ['0G', 'a disk has from 1G to 100T.'],
    ['101T', 'a disk has from 1G to 100T.'],
    [`${'9'.repeat(400)}G`, 'a disk has from 1G to 100T.'],
    [
      '1G[template=btrfs]',
      'Disk template must be one of: none, ext4, fat32, swap, hybrid-boot-v, hybrid-boot-p.',
    ],
    ['1G[cache=none]', "'cache=none' is not a valid disk option."],
    ['1G[]', "'' is not a valid disk option."],
    ['3T[template=fat32]', 'A fat32 disk has at most 2T, not 3T: use ext4.'],
    [Array(17).fill('1G').join(), 'A node has at most 16 disks, not 17.'],
  ])('%j is refused', (text, sentence) => expect(() => parseDisks(text)).toThrow(sentence));
});

describe('each template, as tools that did not make it see it', () => {
  test('none', async () => {
    await apply('5G');
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);
    expect([statSync(join(disks, 'disk_0.dd')).size, usedKib('disk_0.dd')]).toEqual([5e9, 0]);
    expect(statSync(join(disks, 'disk_0.dd')).mode & 0o777).toBe(0o600);
  });

  test('ext4', async () => {
    await apply('2G[template=ext4]');
    const { label, partitions } = table('disk_0.dd');
    expect([label, partitions]).toEqual(['dos', [expect.objectContaining({ start: 2048, type: '83' })]]);
    expect(partitions[0]?.size).toBe(2e9 / 512 - 2048);
    expect(blkid('disk_0.dd')).toContain('TYPE=ext4');
    isSound('disk_0.dd');
    const said = tool('dumpe2fs', `disk_0.dd?offset=${OFFSET}`);
    expect(said).toMatch(/^Block count: +488025$/m);
    expect(said.split('ITABLE_ZEROED').length).toBe(16);
    expect(said).not.toMatch(/orphan_file|metadata_csum_seed/);
    expect(debugfs('disk_0.dd', 'stat /')).toMatch(/Mode: +0755.*\nGeneration.*\nUser: +0 +Group: +0 /);
    expect(usedKib('disk_0.dd')).toBeLessThan(8000);
  });

  test.each([
    ['hybrid-boot-v', ['.', '..']],
    ['hybrid-boot-p', ['.', '..', '.persistent']],
  ])('%s', async (template, names) => {
    await apply(`1G[template=${template}]`);
    isSound('disk_0.dd');
    const entries = debugfs('disk_0.dd', 'ls -p /walt_hybrid').matchAll(
      /^\/\d+\/(\d+)\/(\d+)\/(\d+)\/([^/]+)\//gm,
    );
    const found = [...entries].map(([, mode, uid, gid, name]) => ({ mode, owner: `${uid}:${gid}`, name }));
    expect(found.map(({ name }) => name)).toEqual(names);
    for (const { owner } of found) expect(owner).toBe('0:0');
    expect(found.map(({ mode }) => mode)).toEqual(['040755', '040755', '100644'].slice(0, names.length));
    expect(table('disk_0.dd').partitions[0]?.type).toBe('83');
  });

  test('fat32, of 2T in little space', async () => {
    await apply('2G[template=fat32],2T[template=fat32]');
    for (const name of ['disk_0.dd', 'disk_1.dd']) {
      const { label, partitions } = table(name);
      expect([label, partitions[0]?.type, partitions[0]?.start]).toEqual(['dos', 'c', 2048]);
      expect(blkid(name)).toMatch(/TYPE=vfat\nVERSION=FAT32|VERSION=FAT32\nTYPE=vfat/);
      expect(usedKib(name)).toBeLessThan(100);
    }
    const [partition] = table('disk_0.dd').partitions;
    // Its tables are at its begin; reading all the holes takes long.
    tool('dd', 'if=disk_0.dd', 'of=partition', 'bs=1M', 'skip=1', 'count=32', 'status=none');
    tool('truncate', '-s', String((partition?.size ?? 0) * 512), 'partition');
    expect(tool('fsck.fat', '-n', 'partition')).toMatch(/0 files/);
    const boot = execFileSync('head', ['-c', '512', join(disks, 'partition')]);
    expect(boot.readUInt32LE(28), 'hidden sectors').toBe(2048);
    expect(boot.readUInt32LE(32), 'sectors').toBeGreaterThan((partition?.size ?? 0) - 128);
  });

  test('swap', async () => {
    await apply('1G[template=swap]');
    const { partitions } = table('disk_0.dd');
    expect([partitions[0]?.type, partitions[0]?.start]).toEqual(['82', 2048]);
    expect(blkid('disk_0.dd')).toContain('TYPE=swap');
    tool('dd', 'if=disk_0.dd', 'of=area', 'bs=1M', 'skip=1', 'count=1', 'status=none');
    expect(tool('file', 'area')).toMatch(/swap file.*version 1.* size 243883 pages/);
  });

  test('ext4 of 10T: a GPT, some space, lazily', async () => {
    await apply('10T[template=ext4]');
    const { label, partitions } = table('disk_0.dd');
    expect([label, partitions[0]?.start]).toEqual(['gpt', 2048]);
    expect(partitions[0]?.type).toBe('0FC63DAF-8483-4772-8E79-3D69D8477DE4');
    expect(partitions[0]?.size).toBeGreaterThan(1e13 / 512 - 6000);
    expect(usedKib('disk_0.dd')).toBeLessThan(200_000);
    tool('sfdisk', '--verify', 'disk_0.dd');
  });
});

test('a plain user without any capability makes and grows disks, whose files are root’s in the node', () => {
  const said = asPlainUser(
    `const text = (size) => '1G[template=fat32],' + size + 'G[template=hybrid-boot-p],1G[template=swap]';
    await applyDisks(folder, parseDisks(text(1)));
    await markAttached(folder, 3);
    await applyDisks(folder, parseDisks(text(2)));
    const disks = await listDisks(folder, parseDisks(text(2)));
    console.log(JSON.stringify([process.getuid(), disks.map(({ bytes }) => bytes)]));`,
  );
  const uid = process.getuid?.() || 65534;
  expect(said).toEqual({ status: 0, stderr: '', stdout: `[${uid},[1000000000,2000000000,1000000000]]\n` });
  expect(statSync(join(disks, 'disk_1.dd')).uid).toBe(uid);
  isSound('disk_1.dd');
  expect(debugfs('disk_1.dd', 'ls -p /walt_hybrid')).toMatch(/\/100644\/0\/0\/\.persistent\//);
  expect(debugfs('disk_1.dd', 'ls -p /')).toMatch(/^\/2\/040755\/0\/0\/\.\//m);
});

test('cancelled: nothing is left, and what was there stays', async () => {
  await apply('1G');
  const cancel = new AbortController();
  const reason = new Error('enough');
  const cancelled = apply('1G,10T[template=ext4],1G', {
    signal: cancel.signal,
    progress: () => setTimeout(() => cancel.abort(reason), 30),
  });
  await expect(cancelled).rejects.toBe(reason);
  expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);
  const steps: unknown[] = [];
  await apply('1G,1G,2G[template=swap]', { progress: (step: unknown) => steps.push(step) });
  expect(steps).toEqual([
    { message: 'Disk 1 (1G) is made.', fraction: 0 },
    { message: 'Disk 2 (swap, 2G) is made anew at each start.', fraction: 0.5 },
  ]);
});

test('what a killed process left is cleared', async () => {
  mkdirSync(disks, { recursive: true });
  for (const name of ['disk_0.0a1b2c3d.part', 'disk_0.json.part', 'other.part'])
    writeFileSync(join(disks, name), 'x');
  await apply('1G');
  expect(files()).toEqual(['disk_0.dd', 'disk_0.json', 'other.part']);
});

test('the plan for each kind of file', () => {
  const base = { name: 'disk_0', index: 0, path: '/d', usedBytes: 1, interrupted: false, record: undefined };
  const file = (more: Partial<DiskFile>): DiskFile => ({
    ...base,
    state: 'attached',
    bytes: 2e9,
    template: 'ext4',
    holdsData: true,
    growable: true,
    ...more,
  });
  const old = file({ state: 'replaced', name: 'disk_0.old-1' });
  const decide = (current: DiskFile[], text: string) => planDisks(current, parseDisks(text))[0];
  const cases: [DiskFile[], string, string, boolean][] = [
    [[], '1G', 'make', false],
    [[file({})], '2G[template=ext4]', 'keep', false],
    [[file({ state: 'orphan' })], '2G[template=ext4]', 'keep', false],
    [[file({})], '3G[template=ext4]', 'grow', false],
    [[file({ growable: false })], '3G[template=ext4]', 'replace', true],
    [[file({})], '3G[template=hybrid-boot-v]', 'replace', true],
    [[file({})], '1G[template=ext4]', 'replace', true],
    [[file({ holdsData: false })], '1G', 'make', false],
    [[file({ template: undefined })], '2G', 'replace', true],
    [[file({})], '2G[template=swap]', 'replace', true],
    [[file({ template: 'swap', holdsData: false })], '2G[template=swap]', 'make', false],
    [[file({ template: 'fat32', growable: false })], '3G[template=fat32]', 'replace', true],
    [[file({ template: 'none', holdsData: false }), old], '2G[template=ext4]', 'restore', false],
    [[file({ template: 'none' }), old], '2G[template=ext4]', 'replace', true],
    [[file({ holdsData: false }), old], '2G[template=ext4]', 'restore', false],
    [[file({}), old], '2G[template=ext4]', 'keep', false],
    [[old], '1G', 'make', false],
  ];
  for (const [current, text, action, loses] of cases) {
    expect([text, decide(current, text)]).toEqual([text, expect.objectContaining({ action, loses })]);
  }
  expect(decide([file({})], '3T[template=ext4]')?.sentence).toBe(
    'Disk 0 (ext4, 3T) grows from 2G and keeps what it holds, with a GPT in place of its MBR.',
  );
});

describe('a full host disk', () => {
  test.each([
    ['100k', '1G[template=ext4]'],
    ['300k', '1G[template=ext4]'],
    ['1500k', '4G[template=hybrid-boot-p]'],
    ['200k', '8G[template=fat32]'],
    ['4k', '1G[template=swap]'],
  ])('%s free for %s: one sentence, nothing left', (size, text) => {
    const { stdout, status } = onSmallDisk(
      size,
      `await applyDisks(folder, parseDisks('${text}')).catch((error) => console.log(error.code, error.message));
      console.log(JSON.stringify(readdirSync(folder + '/disks')));`,
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^disk\.full Disk 0 \(.*\) could not be made: the file system that holds .*\/disks is full\. Free some space there\.\n\[\]\n$/,
    );
  });

  test('a growth or a replacement that does not fit leaves the disk as it was', () => {
    const { stdout } = onSmallDisk(
      '3M',
      `await applyDisks(folder, parseDisks('1G[template=ext4]'));
      await markAttached(folder, 1);
      const failed = (error) => console.log(error.code);
      await applyDisks(folder, parseDisks('4T[template=ext4]')).catch(failed);
      await applyDisks(folder, parseDisks('1G[template=ext4]'));
      await applyDisks(folder, parseDisks('1T[template=fat32]'), { mayLose: true }).catch(failed);
      execFileSync('e2fsck', ['-fn', 'disk_0.dd?offset=1048576'], { cwd: folder + '/disks', stdio: 'pipe' });
      console.log(JSON.stringify([readdirSync(folder + '/disks').sort(), statSync(folder + '/disks/disk_0.dd').size]));`,
    );
    expect(stdout).toBe('disk.full\ndisk.full\n[["disk_0.dd","disk_0.json"],1000000000]\n');
  });

  test('a file system that takes no such file', () => {
    const { stdout } = onSmallDisk(
      '3M',
      `process.on('SIGXFSZ', () => undefined);
      await applyDisks(folder, parseDisks('2G')).catch((error) => console.log(error.message));`,
      'ulimit -f 1000000',
    );
    expect(stdout).toMatch(
      /^Disk 0 \(2G\) could not be made: .* takes no file of that size\. Choose a smaller disk\.\n$/,
    );
  });

  test('is warned of', async () => {
    expect(await freeSpaceWarning(node, parseDisks('1G'))).toBeUndefined();
    await apply('90T').catch(() => undefined);
    expect(await freeSpaceWarning(node, parseDisks('90T,1G'))).toMatch(
      /^The disks of this node may grow by 90001G, but only [\d.]+G are free where they are \(.*\/disks\): the node pauses/,
    );
  });
});

test('QEMU gets one controller, the disks in order, commas escaped', () => {
  expect(diskArguments([])).toEqual([]);
  const own = [{ path: '/a,b/disk_0.dd' }, { path: '/disk_1.dd' }];
  expect(diskArguments(own)).toEqual([
    '-device',
    'virtio-scsi-pci,id=scsi0',
    '-drive',
    'file=/a,,b/disk_0.dd,format=raw,id=disk0,if=none,discard=unmap,detect-zeroes=unmap,werror=stop,rerror=report',
    '-device',
    'scsi-hd,bus=scsi0.0,scsi-id=0,lun=0,drive=disk0,product=QEMU-DISK,serial=disk0',
    '-drive',
    'file=/disk_1.dd,format=raw,id=disk1,if=none,discard=unmap,detect-zeroes=unmap,werror=stop,rerror=report',
    '-device',
    'scsi-hd,bus=scsi0.0,scsi-id=1,lun=0,drive=disk1,product=QEMU-DISK,serial=disk1',
  ]);
  // After all that the setting can ask for: the names of those are the same with and without it.
  expect(diskArguments([...own, { path: '/kept.dd', isKept: true }]).at(-1)).toBe(
    'scsi-hd,bus=scsi0.0,scsi-id=16,lun=0,drive=disk2,product=QEMU-DISK,serial=network-persistent',
  );
});
