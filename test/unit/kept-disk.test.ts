import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeConfigText, parseBootMode } from '../../backend/nodes/boot-mode.ts';
import type { ImageCopy } from '../../backend/nodes/disks/image-copies.ts';
import { NodeDisks } from '../../backend/nodes/disks/node-disks.ts';
import type { NodeRecord } from '../../backend/nodes/registry.ts';
import type { NodeSettings } from '../../backend/nodes/settings.ts';
import { diskHooks, disks, node, tool } from '../support/disks.ts';

diskHooks();
const KEPT = 'network-persistent';
const { signal } = new AbortController();
/** The disks of a node with these settings. */
function disksOf(settings: NodeSettings): NodeDisks {
  const record: NodeRecord = {
    mac: '52:54:00:00:00:01',
    name: 'vnode1',
    ip: '192.168.152.2',
    model: 'pc-x86-64',
    image: 'mine',
    settings,
    temporary: false,
    running: undefined,
    ended: undefined,
  };
  return new NodeDisks(record, node);
}
const prepare = (settings: NodeSettings) => disksOf(settings).prepare(signal, () => undefined);
const copy = (partition: string, id: string): ImageCopy => ({
  id: id.padEnd(64, '0'),
  partition,
  state: 'complete',
  isPersistent: true,
  imageBytes: 0,
  diffBytes: 4096,
  localBytes: 0,
  lastBoot: null,
});

describe('the disk of network-persistent boots', () => {
  test('is made at the first start that needs it, sound and sparse, after the disks of the setting', async () => {
    expect(await prepare({ disks: '1G' })).toEqual([{ path: join(disks, 'disk_0.dd') }]);
    expect(await disksOf({}).list()).toHaveLength(1);
    // What a daemon that died may leave.
    writeFileSync(join(disks, `${KEPT}.part`), 'rubbish');
    const ready = await prepare({ disks: '1G', 'boot.mode': KEPT });
    expect(ready.map(({ path, isKept }) => [path, isKept])).toEqual([
      [join(disks, 'disk_0.dd'), false],
      [join(disks, `${KEPT}.dd`), true],
    ]);
    tool('e2fsck', '-fn', `${KEPT}.dd`);
    expect(readdirSync(disks).sort()).toEqual(['disk_0.dd', 'disk_0.json', `${KEPT}.dd`]);
    const [, kept] = await disksOf({ disks: '1G', 'boot.mode': KEPT }).list();
    expect(kept).toMatchObject({ name: KEPT, state: 'attached', bytes: 64e9, holdsData: true });
    expect(kept?.usedBytes).toBeLessThan(20e6);
    writeFileSync(join(disks, `${KEPT}.dd`), 'as it is');
    await prepare({ 'boot.mode': KEPT });
    expect((await disksOf({}).list()).at(-1)).toMatchObject({ name: KEPT, state: 'orphan', bytes: 8 });
  });

  test('is removed only when the setting does not ask for it, and with consent', async () => {
    await prepare({ 'boot.mode': KEPT });
    await disksOf({ 'boot.mode': KEPT }).copiesReported([copy('network', 'abcd')]);
    await expect(disksOf({ 'boot.mode': KEPT }).remove(KEPT, true)).rejects.toThrow(
      'change `boot.mode` first',
    );
    await expect(disksOf({}).remove(KEPT, false)).rejects.toThrow('holds data');
    await disksOf({}).remove(KEPT, true);
    expect(existsSync(join(disks, `${KEPT}.dd`))).toBe(false);
    expect([await disksOf({}).list(), await disksOf({}).imageCopies()]).toEqual([[], []]);
  });
});

describe('kept changes', () => {
  test('are known beside image copies, and each is let go in its own boot mode', async () => {
    mkdirSync(node);
    const all = disksOf({});
    await all.copiesReported([copy('sda1', 'abcd')]);
    await all.copiesReported([copy('network', 'abcd'), copy('network', 'ef01')]);
    expect((await all.imageCopies()).map(({ name }) => name)).toEqual([
      'abcd00000000',
      'network-abcd00000000',
      'network-ef0100000000',
    ]);
    await expect(all.removeCopy('network-abcd', false)).rejects.toThrow(
      'Image copy network-abcd00000000 holds data',
    );
    expect(await all.removeCopy('network-abcd', true)).toBe(true);
    expect(await all.removeCopy('network-1234', true)).toBe(false);
    expect((await all.imageCopies()).map(({ removed }) => removed)).toEqual([false, true, false]);
    expect(await all.copiesToRemove(false)).toEqual([]);
    expect(await all.copiesToRemove(true)).toEqual(['abcd'.padEnd(64, '0')]);
    await all.copiesReported([copy('network', 'ef01')]);
    expect((await all.imageCopies()).map(({ name }) => name)).toEqual([
      'abcd00000000',
      'network-ef0100000000',
    ]);
  });
});

test('the setting takes network-persistent, which has no partition', () => {
  expect(parseBootMode(KEPT)).toEqual({ mode: KEPT, partition: undefined });
  expect(nodeConfigText(parseBootMode(KEPT), [])).toContain(`export walt_boot_mode='${KEPT}'\n`);
  expect(() => parseBootMode(`${KEPT}[partition=sda1]`)).toThrow('boot.mode value should be');
});
