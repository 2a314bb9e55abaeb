import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { forgetReplaced, markAttached, removeDisk } from '../../backend/nodes/disks/files.ts';
import { parseDisks } from '../../backend/nodes/disks/setting.ts';
import {
  apply,
  blkid,
  debugfs,
  diskHooks,
  disks,
  env,
  files,
  isSound,
  list,
  node,
  OFFSET,
  plan,
  table,
  tool,
  usedKib,
} from '../support/disks.ts';

diskHooks();

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
