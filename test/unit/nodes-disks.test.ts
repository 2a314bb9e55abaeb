import { buildSync } from 'esbuild';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyDisks, freeSpaceWarning } from '../../backend/nodes/disks/apply.ts';
import { diskArguments } from '../../backend/nodes/disks/arguments.ts';
import { forgetReplaced, listDisks, markAttached, removeDisk } from '../../backend/nodes/disks/files.ts';
import type { DiskFile } from '../../backend/nodes/disks/files.ts';
import { planDisks } from '../../backend/nodes/disks/plan.ts';
import { parseDisks } from '../../backend/nodes/disks/setting.ts';
import { repository } from '../support/lab.ts';

const OFFSET = 1 << 20;
const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const scratch = mkdtempSync(join(tmpdir(), 'disks-'));
let nodes = 0;
let node = '';
let disks = '';
beforeEach(() => {
  node = join(scratch, `node, ${++nodes}?`);
  disks = join(node, 'disks');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }), 60_000);

/** A program's output on both streams; it must succeed. Runs in the folder of the disks. */
function tool(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { env, cwd: disks, encoding: 'utf8' });
  expect([program, status, stdout + stderr]).toEqual([program, 0, expect.anything()]);
  return stdout + stderr;
}
function debugfs(name: string, ...commands: string[]): string {
  const input = `${commands.join('\n')}\n`;
  const args = ['-w', '-f', '-', `${name}?offset=${OFFSET}`];
  return execFileSync('debugfs', args, { env, cwd: disks, encoding: 'utf8', input, stdio: 'pipe' });
}
const isSound = (name: string) => tool('e2fsck', '-fn', `${name}?offset=${OFFSET}`);
const apply = (text: string, control = {}) => applyDisks(node, parseDisks(text), control);
const list = (text: string) => listDisks(node, parseDisks(text));
const plan = async (text: string) => planDisks(await list(text), parseDisks(text));
const files = () => readdirSync(disks).sort();
const usedKib = (name: string) => statSync(join(disks, name)).blocks / 2;

interface Table {
  label: string;
  partitions: { start: number; size: number; type: string; uuid?: string }[];
  id: string;
}
function table(name: string): Table {
  const listing = execFileSync('sfdisk', ['-J', name], { env, cwd: disks, encoding: 'utf8', stdio: 'pipe' });
  const { partitiontable } = JSON.parse(listing) as { partitiontable: Table };
  return partitiontable;
}
function blkid(name: string): string {
  return tool('blkid', '-p', '-O', String(OFFSET), '-s', 'TYPE', '-s', 'VERSION', '-o', 'export', name);
}

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

describe('a change of the setting', () => {
  test('a disk that is larger keeps what it holds, however large', { timeout: 60_000 }, async () => {
    // A last block group below 16 MiB is left out; sizes on both sides of that.
    await apply('1G[template=hybrid-boot-p]');
    const content = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => (index * 7919) >> 5));
    writeFileSync(join(disks, 'content'), content);
    debugfs('disk_0.dd', 'write content kept');
    const { id } = table('disk_0.dd');
    await markAttached(node, 1);
    const rest = (size: number) => (size * 1e9 - OFFSET) % (128 << 20);
    const small = Array.from({ length: 100 }, (_, index) => index + 3).find((size) => rest(size) < 15 << 20);
    const large = Array.from({ length: 100 }, (_, index) => index + 110).find(
      (size) => rest(size) < 24 << 20,
    );
    for (const size of [`${small}G`, `${large}G`]) {
      const text = `${size}[template=hybrid-boot-p]`;
      const [step] = await plan(text);
      expect([step?.action, step?.loses]).toEqual(['grow', false]);
      await apply(text);
      const bytes = parseDisks(size)[0]?.bytes ?? 0;
      expect(statSync(join(disks, 'disk_0.dd')).size).toBe(bytes);
      isSound('disk_0.dd');
      expect(table('disk_0.dd')).toMatchObject({ label: 'dos', id });
      const [, blocks] =
        /^Block count: +(\d+)$/m.exec(tool('dumpe2fs', '-h', `disk_0.dd?offset=${OFFSET}`)) ?? [];
      expect(Number(blocks) * 4096).toBeGreaterThan(bytes - (20 << 20));
      debugfs('disk_0.dd', 'dump kept back');
      expect(readFileSync(join(disks, 'back')).equals(content)).toBe(true);
      expect(files()).toEqual(['back', 'content', 'disk_0.dd', 'disk_0.json']);
      expect((await plan(text))[0]?.action).toBe('keep');
    }
    expect((await list('1G'))[0]).toMatchObject({ holdsData: true, interrupted: false });
  });

  // resize2fs cuts the file's last megabyte off; with few inodes that may be where a group's bitmaps are. They also make
  // checks of a large file system quick.
  test('a growth never ends in a group that is lost, and goes beyond what an MBR can say', async () => {
    await apply('1G[template=ext4]');
    tool(
      'mke2fs',
      '-q',
      '-F',
      '-t',
      'ext4',
      '-i',
      '4194304',
      '-E',
      `offset=${OFFSET}`,
      'disk_0.dd',
      '975538k',
    );
    await markAttached(node, 1);
    const rest = (size: number) => (size * 1e9 - OFFSET) % (128 << 20);
    const sizes = Array.from({ length: 2000 }, (_, index) => index + 2);
    const size = sizes.find((size) => rest(size) > 400 << 10 && rest(size) < 900 << 10) ?? 0;
    await apply(`${size}G[template=ext4]`);
    isSound('disk_0.dd');
    const [, blocks] =
      /^Block count: +(\d+)$/m.exec(tool('dumpe2fs', '-h', `disk_0.dd?offset=${OFFSET}`)) ?? [];
    expect(Number(blocks) * 4096).toBe(size * 1e9 - OFFSET - rest(size));
    expect(table('disk_0.dd').label).toBe('dos');

    debugfs('disk_0.dd', 'mkdir kept');
    await apply('2200G[template=ext4]');
    isSound('disk_0.dd');
    expect(debugfs('disk_0.dd', 'ls')).toContain('kept');
    expect(table('disk_0.dd')).toMatchObject({ label: 'gpt', partitions: [{ start: 2048 }] });
    const { id, partitions } = table('disk_0.dd');
    await apply('2300G[template=ext4]');
    expect(table('disk_0.dd')).toMatchObject({ id, partitions: [{ uuid: partitions[0]?.uuid }] });
    expect(statSync(join(disks, 'disk_0.dd')).size).toBe(2.3e12);
    tool('sfdisk', '--verify', 'disk_0.dd');
  });

  test('a blank disk grows with what the node wrote on it', async () => {
    const [disk] = await apply('1G');
    writeFileSync(disk?.path ?? '', 'mine', { flag: 'r+' });
    expect((await plan('2G'))[0]).toMatchObject({ action: 'grow', loses: false });
    await apply('2G');
    expect(statSync(join(disks, 'disk_0.dd')).size).toBe(2e9);
    expect(tool('head', '-c4', 'disk_0.dd')).toBe('mine');
    expect((await list('2G'))[0]?.holdsData).toBe(true);
  });

  test('a growth that was cut short is taken back', async () => {
    await apply('1G[template=ext4]');
    debugfs('disk_0.dd', 'mkdir kept');
    await markAttached(node, 1);
    const record = JSON.parse(readFileSync(join(disks, 'disk_0.json'), 'utf8')) as object;
    // All of a growth is done but its last step, the record.
    writeFileSync(join(disks, 'disk_0.json'), JSON.stringify({ ...record, growingTo: 30e9 }));
    tool('truncate', '-s', '30000000000', 'disk_0.dd');
    execFileSync('sfdisk', ['-q', '-N1', 'disk_0.dd'], { env, cwd: disks, input: ', +\n' });
    tool('resize2fs', '-z', 'disk_0.undo', `disk_0.dd?offset=${OFFSET}`, '29290000k');
    expect((await list('1G'))[0]).toMatchObject({ interrupted: true, bytes: 1e9 });
    await apply('1G[template=ext4]');
    expect(statSync(join(disks, 'disk_0.dd')).size).toBe(1e9);
    expect(table('disk_0.dd').partitions[0]?.size).toBe(1e9 / 512 - 2048);
    isSound('disk_0.dd');
    expect(debugfs('disk_0.dd', 'ls')).toContain('kept');
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);
  });

  test('a damaged file system is not touched', async () => {
    const [disk] = await apply('1G[template=ext4]');
    await markAttached(node, 1);
    // An inode table full of what no inode is, which only a person can decide about.
    debugfs(
      'disk_0.dd',
      'mkdir a',
      'sif a block[0] 99999999',
      'sif / links_count 77',
      'clri lost+found',
      'clri /',
    );
    const head = () => execFileSync('head', ['-c', '1536', disk?.path ?? '']);
    const before = head();
    await expect(apply('2G[template=ext4]')).rejects.toThrow(
      'Disk 0 was left as it is: its ext4 file system has errors, repair it in a node (fsck).',
    );
    expect(statSync(disk?.path ?? '').size).toBe(1e9);
    expect(head().equals(before), 'the partition table').toBe(true);
    expect((await list('1G'))[0]?.interrupted).toBe(false);
  });

  test.each([
    ['smaller', '1G[template=ext4]'],
    ['of another template', '2G[template=fat32]'],
    ['blank', '2G'],
  ])('%s: the old disk stays until the new one has booted', async (_, text) => {
    await apply('2G[template=ext4]');
    debugfs('disk_0.dd', 'mkdir kept');
    await markAttached(node, 1);
    const [step] = await plan(text);
    expect(step).toMatchObject({ action: 'replace', loses: true });
    expect(step?.sentence).toMatch(
      /^Disk 0 \(.*\) replaces one of 2G \(ext4\), which holds data: that is kept until/,
    );
    await expect(apply(text)).rejects.toThrow(step?.sentence);
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);

    await apply(text, { mayLose: true });
    const listed = await list(text);
    expect(listed.map(({ state }) => state)).toEqual(['attached', 'replaced']);
    expect(listed[1]?.name).toMatch(/^disk_0\.old-\d{8}T\d{9}Z$/);
    await forgetReplaced(node);
    expect(await list(text), 'nothing has booted').toHaveLength(2);

    expect((await plan('2G[template=ext4]'))[0]?.action, 'a change of mind').toBe('restore');
    await apply('2G[template=ext4]');
    expect(debugfs('disk_0.dd', 'ls')).toContain('kept');
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);

    await apply(text, { mayLose: true });
    await markAttached(node, 1);
    await forgetReplaced(node);
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);
  });

  test('a disk that was never used, or swap, is made anew without a question', async () => {
    await apply('2G[template=ext4],1G[template=swap]');
    await markAttached(node, 2);
    rmSync(join(disks, 'disk_0.json'));
    await removeDisk(node, 'disk_0');
    await apply('2G[template=ext4],1G[template=swap]');
    const steps = await plan('1G[template=fat32],3G');
    expect(steps.map(({ action, loses }) => [action, loses])).toEqual(
      ['make', 'make'].map((word) => [word, false]),
    );
    await apply('1G[template=fat32],3G');
    expect((await list('1G,1G')).map(({ bytes }) => bytes)).toEqual([1e9, 3e9]);
  });

  test('swap is remade at each start', async () => {
    const [disk] = await apply('1G[template=swap]');
    await markAttached(node, 1);
    writeFileSync(disk?.path ?? '', Buffer.alloc(8 << 20, 'secret'), { flag: 'r+' });
    await apply('1G[template=swap]');
    expect(usedKib('disk_0.dd')).toBeLessThan(100);
    expect(blkid('disk_0.dd')).toContain('TYPE=swap');
  });

  test('a removed disk stays as an orphan and is attached again', async () => {
    await apply('1G,2G[template=ext4]');
    debugfs('disk_1.dd', 'mkdir kept');
    await markAttached(node, 2);
    await apply('1G');
    expect((await list('1G')).map(({ name, state }) => [name, state])).toEqual([
      ['disk_0', 'attached'],
      ['disk_1', 'orphan'],
    ]);
    const before = statSync(join(disks, 'disk_1.dd')).ino;
    const ready = await apply('1G,2G[template=ext4]');
    expect(ready.map(({ path }) => path)).toEqual([join(disks, 'disk_0.dd'), join(disks, 'disk_1.dd')]);
    expect(statSync(join(disks, 'disk_1.dd')).ino).toBe(before);
    await removeDisk(node, 'disk_1');
    expect(files()).toEqual(['disk_0.dd', 'disk_0.json']);
    for (const name of ['disk_1', '../disks/disk_0', 'disk_0.dd', '']) {
      await expect(removeDisk(node, name)).rejects.toThrow('There is no disk');
    }
  });

  test('a file of unknown making is never overwritten without a word', async () => {
    await apply('1G[template=ext4]');
    rmSync(join(disks, 'disk_0.json'));
    await expect(apply('1G[template=ext4]')).rejects.toThrow('replaces a disk of 1G of unknown making');
    writeFileSync(join(disks, 'disk_0.json'), '{"template": "ext4", "bytes": -1}');
    await expect(apply('1G[template=ext4]')).rejects.toThrow('of unknown making');
    await apply('1G[template=ext4]', { mayLose: true });
    expect((await list('1G')).map(({ template }) => template)).toEqual(['ext4', undefined]);
  });

  test('something written to a disk counts as data even when no node was seen with it', async () => {
    const [disk] = await apply('1G[template=ext4]');
    expect((await list('1G'))[0]?.holdsData).toBe(false);
    utimesSync(disk?.path ?? '', 1, 1);
    expect((await list('1G'))[0]?.holdsData).toBe(true);
  });

  test('partitions that the node made itself are not grown over', async () => {
    await apply('2G[template=ext4]');
    await markAttached(node, 1);
    execFileSync('sfdisk', ['-q', '-N1', 'disk_0.dd'], { env, cwd: disks, input: ', 1000M\n' });
    expect((await plan('3G[template=ext4]'))[0]?.action, 'one partition').toBe('grow');
    execFileSync('sfdisk', ['-q', '-a', 'disk_0.dd'], { env, cwd: disks, input: ', +\n' });
    expect((await plan('3G[template=ext4]'))[0]).toMatchObject({ action: 'replace', loses: true });
  });
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
  expect(diskArguments([{ path: '/a,b/disk_0.dd' }, { path: '/disk_1.dd' }])).toEqual([
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
});

/** The library and a Node, where every user may read them. */
const program = join(scratch, 'program');
beforeAll(() => {
  chmodSync(scratch, 0o755);
  mkdirSync(program);
  copyFileSync(process.execPath, join(program, 'node'));
  const contents = ['apply', 'files', 'plan'].map(
    (part) => `export * from './backend/nodes/disks/${part}.ts';`,
  );
  buildSync({
    stdin: {
      contents: [...contents, `export { parseDisks } from './backend/nodes/disks/setting.ts';`].join('\n'),
      resolveDir: repository,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(program, 'disks.mjs'),
  });
}, 60_000);

/** Runs a program's text that uses the library on `folder`, after `prefix`. */
function runScript(prefix: string[], folder: string, text: string) {
  const file = join(program, `${nodes}.mjs`);
  const library = 'applyDisks, listDisks, markAttached, parseDisks';
  const imports = [
    `import { execFileSync } from 'node:child_process';`,
    `import { readdirSync, statSync } from 'node:fs';`,
    `import { ${library} } from './disks.mjs';`,
    `const folder = ${JSON.stringify(folder)};`,
  ];
  writeFileSync(file, `${imports.join('\n')}\n${text}\n`);
  const [command = '', ...rest] = [...prefix, join(program, 'node'), file];
  const { status, stdout, stderr } = spawnSync(command, rest, { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function asPlainUser(text: string) {
  mkdirSync(node);
  chmodSync(node, 0o777);
  // The usual PATH of a user, without the administrator's programs.
  const rights = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ];
  const prefix = process.getuid?.() === 0 ? ['setpriv', ...rights] : [];
  return runScript([...prefix, 'env', 'PATH=/usr/bin:/bin'], node, text);
}

/** In a tmpfs of `size`, which needs no right. */
function onSmallDisk(size: string, text: string, before = ':') {
  mkdirSync(join(node, 'disks'), { recursive: true });
  const script = `mount -t tmpfs -o size=${size},nr_inodes=100 small "$0"; mkdir "$0/disks"; ${before}; exec "$@"`;
  const prefix = ['unshare', '--user', '--map-root-user', '--mount', 'bash', '-c', script, node];
  const result = runScript(prefix, node, text);
  expect(result.stderr).toBe('');
  expect(existsSync(join(disks, 'disk_0.dd')), 'outside the tmpfs').toBe(false);
  return result;
}
