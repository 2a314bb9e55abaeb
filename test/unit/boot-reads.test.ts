import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BootReads } from '../../backend/boot/boot-reads.ts';
import { imageUsage } from '../../backend/boot/image-usage.ts';
import type { BootPlan } from '../../backend/boot/plan.ts';
import { ServedNodes } from '../../backend/boot/served-nodes.ts';
import { ReadRecord } from '../../backend/images/tree/read-record.ts';
import type { ImageTree } from '../../backend/images/tree/tree.ts';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { openDatabase, type Database } from '../../backend/state/database.ts';
import { ReadRecords, type BootReadRecord } from '../../backend/state/read-records.ts';
import { file, folder, hardlink, link, tarOf, testFolder, treeOf } from './images/support.ts';

const MAC = '52:54:00:00:00:02';
const IMAGE = { name: 'tiny', id: 'a'.repeat(64) };
const LIST = ['/.', '/usr', '/usr/bin', '/usr/bin/tool', '/usr/share/tool/manual', ''].join('\n');
const ENTRIES = [
  folder('boot'),
  file('boot/kernel', 'k'.repeat(5000)),
  folder('usr'),
  folder('usr/bin'),
  file('usr/bin/init', 'i'.repeat(300)),
  hardlink('usr/bin/telinit', 'usr/bin/init'),
  file('usr/bin/tool', 't'.repeat(40)),
  link('bin', 'usr/bin'),
  folder('usr/share'),
  folder('usr/share/tool'),
  file('usr/share/tool/manual', 'm'.repeat(900)),
  folder('usr/share/locale'),
  folder('usr/share/locale/ca'),
  file('usr/share/locale/ca/grüße', 'ü'),
  folder('var/lib/dpkg/info'),
  file('var/lib/dpkg/info/tool.list', LIST),
  file('var/lib/dpkg/info/init:amd64.list', '/bin/init\n'),
  file('lib/apk/db/installed', 'P:kernel\nF:boot\nR:kernel\n\nP:langs\nF:usr/share/locale/ca\nR:grüße\n'),
];

let database: Database;
let boots: BootRecords;
let records: ReadRecords;
let image: ImageTree;
let served: ServedNodes;
let reads: BootReads;
beforeEach(() => {
  database = openDatabase(join(testFolder(), 'bootyard.db'));
  database.sqlite.exec(
    `INSERT INTO nodes (mac, name, ip, model, image) VALUES ('${MAC}', 'n1', '192.168.152.2', 'm', 'tiny')`,
  );
  boots = new BootRecords(database);
  records = new ReadRecords(database);
  image = treeOf([ENTRIES]);
  served = new ServedNodes();
  reads = new BootReads({
    records,
    served,
    tree: () => Promise.resolve(treeOf([ENTRIES])),
    image: () => IMAGE,
  });
});
afterEach(() => database.close());

/** A node boots: its plan is served, and its record is begun. */
function boot(id: string, imageId = IMAGE.id): BootPlan {
  const layer = join(testFolder(), 'injected.tar');
  writeFileSync(layer, tarOf([file('etc/walt/injected', 'x')]));
  const node = { mac: MAC, ip: '192.168.152.2', name: 'n1', model: 'm', image: 'tiny' };
  const tree = image.withLayer(layer);
  const plan = { id, node, imageId, tree, injected: () => expect.unreachable(), warnings: [] };
  const record = { id, mac: MAC, image: 'tiny', startedAt: Date.now(), outcome: 'going on', reason: null };
  boots.begin({ ...record, stages: [] });
  const last = served.remove(node.ip);
  if (last) reads.save(last);
  reads.follow(plan);
  served.add(plan);
  return plan;
}
function read({ tree }: BootPlan, path: string, bytes: number, position = 0): void {
  tree.read(tree.lookupPath(path), position, new Uint8Array(bytes), 0, bytes);
}
/** All that was read until now was read before. */
function booted({ id }: BootPlan): void {
  reads.saveAll();
  boots.update(id, 'booted', null, [{ name: 'booted', startMs: 60_000, durationMs: 0, detail: '' }]);
}

test('a boot keeps which files of the image it read, how much of them, in their order', () => {
  const plan = boot('b1');
  read(plan, '/usr/share/locale/ca/grüße', 10);
  read(plan, '/boot/kernel', 3000);
  read(plan, '/boot/kernel', 4000, 3000);
  read(plan, '/etc/walt/injected', 1);
  plan.tree.linkTarget(plan.tree.lookupPath('/bin', { follow: false }));
  reads.save(plan);
  read(plan, '/boot/kernel', 1000);
  expect(reads.ofBoot('b1')).toMatchObject({
    imageId: IMAGE.id,
    bootedMs: null,
    isCopied: false,
    reads: [
      { path: 'usr/share/locale/ca/grüße', bytes: 2 },
      { path: 'boot/kernel', bytes: 6000 },
      { path: 'bin', bytes: 0 },
    ],
  });
  expect(reads.ofBoot('nobody')).toBeUndefined();
});

test('an image tells what its boots read, needed and never touched', async () => {
  const first = boot('b1');
  read(first, '/boot/kernel', 5000);
  read(first, '/usr/bin/telinit', 300);
  read(first, '/usr/bin/init', 300);
  booted(first);
  read(first, '/usr/bin/tool', 40);
  const second = boot('b2');
  for (const path of ['/usr/bin/init', '/boot/kernel', '/lib/apk/db/installed']) read(second, path, 5000);
  booted(second);
  reads.saveAll();
  const usage = await reads.usage('tiny');
  const apk = image.source(image.lookupPath('/lib/apk/db/installed')).size;
  expect(usage).toMatchObject({ image: 'tiny', boots: 2, copied: 0, older: 0 });
  expect(usage.all.files).toBe(8);
  expect(usage.read).toEqual({ files: 4, bytes: 5000 + 300 + 40 + apk });
  expect(usage.needed).toEqual({ files: 2, bytes: 5300 });
  expect(usage.largest.map(({ path, bytes }) => [path, bytes])).toEqual([
    ['boot/kernel', 5000],
    ['usr/bin/init', 300],
  ]);
  expect(usage.untouchedDirectories.map(({ name, files }) => [name, files])).toEqual([
    ['/usr/share', 2],
    ['/var', 2],
  ]);
  expect(usage.untouchedPackages).toEqual([{ name: 'langs', files: 1, bytes: 2 }]);
});

test('a directory that was listed is touched, those in it are not', async () => {
  const plan = boot('b1');
  plan.tree.noteListed(1);
  plan.tree.noteListed(plan.tree.lookupPath('/usr/share'));
  read(plan, '/usr/bin/init', 300);
  booted(plan);
  expect(reads.ofBoot('b1')?.reads.map(({ path, bytes }) => [path, bytes])).toEqual([
    ['usr/share/', 0],
    ['usr/bin/init', 300],
  ]);
  const usage = await reads.usage('tiny');
  expect(usage.untouchedDirectories.map(({ name }) => name).toSorted()).toEqual([
    '/boot',
    '/lib',
    '/usr/share/locale',
    '/usr/share/tool',
    '/var',
  ]);
  expect(usage.read.files).toBe(1);
});

test('what a boot waited for is what came from the disk, until it was booted', async () => {
  const plan = boot('b1');
  const cold = async (path: string): Promise<void> => {
    await plan.tree.readCold(plan.tree.lookupPath(path), 0, new Uint8Array(5000), 0, 5000);
  };
  read(plan, '/usr/bin/init', 300);
  await cold('/boot/kernel');
  reads.saveAll();
  await cold('/boot/kernel');
  booted(plan);
  await cold('/usr/share/tool/manual');
  const all = reads.ofBoot('b1')?.reads ?? [];
  expect(all.map(({ path, waitedMs }) => [path, waitedMs > 0])).toEqual([
    ['usr/bin/init', false],
    ['boot/kernel', true],
    ['usr/share/tool/manual', true],
  ]);
  const late = past({ reads: all.map((read, at) => ({ ...read, atMs: at * 900, waitedMs: at * 10 })) });
  const usage = imageUsage(IMAGE, image, [late, past({})]);
  expect(usage.waitedFor.map(({ path }) => path)).toEqual(['boot/kernel']);
  expect(usage.waitedMs).toBe(10);
  expect((await reads.usage('tiny')).largest[0]).toMatchObject({ path: 'boot/kernel', bytes: 5000 });
});

const past = (more: Partial<BootReadRecord>): BootReadRecord => ({
  boot: 'b',
  imageId: IMAGE.id,
  bootedMs: 1000,
  isCopied: false,
  reads: [{ path: 'boot/kernel', bytes: 9_999_999, atMs: 5, waitedMs: 0 }],
  ...more,
});

test('boots that took the image whole, or another one of the name, are left out', () => {
  const usage = imageUsage(IMAGE, image, [past({ isCopied: true }), past({ imageId: 'b'.repeat(64) })]);
  expect(usage).toMatchObject({ boots: 0, copied: 1, older: 1, untouchedDirectories: [] });
  const one = imageUsage(IMAGE, image, [
    past({}),
    past({ reads: [{ path: 'gone', bytes: 1, atMs: 1, waitedMs: 0 }] }),
  ]);
  expect(one).toMatchObject({ read: { files: 1, bytes: 5000 }, needed: { files: 0 } });
});

test('a copy to a disk is known by its event', () => {
  const plan = boot('b1');
  read(plan, '/boot/kernel', 10);
  boots.appendEvents('b1', [{ kind: 'copy', phase: 'end' }]);
  expect(reads.ofBoot('b1')).toMatchObject({ isCopied: true });
});

test('what all boots needed is read ahead, and nothing when the image has changed or the node is off', async () => {
  const first = boot('b1');
  read(first, '/boot/kernel', 5000);
  booted(first);
  const tree = treeOf([ENTRIES]);
  tree.reads = new ReadRecord();
  const ahead = new BootReads({
    records,
    served,
    tree: () => Promise.resolve(tree),
    image: () => IMAGE,
  });
  await ahead.readAhead(boot('b2', 'b'.repeat(64)));
  expect(tree.reads.take().size).toBe(0);
  const off = boot('b3');
  served.remove(off.node.ip);
  await ahead.readAhead(off);
  expect(tree.reads.take().size).toBe(0);
});

test('what is read ahead is warm afterwards', async () => {
  const first = boot('b1');
  read(first, '/boot/kernel', 5000);
  booted(first);
  const tree = treeOf([ENTRIES]);
  const at = tree.position(tree.lookupPath('/boot/kernel')) ?? 0;
  const layer = tree.layers[0]?.retain();
  expect(layer?.isWarm(at, 5000)).toBe(false);
  const parts = { records, served, image: () => IMAGE, tree: () => Promise.resolve(tree) };
  await new BootReads(parts).readAhead(boot('b2'));
  expect(layer?.isWarm(at, 5000)).toBe(true);
  layer?.release();
});
