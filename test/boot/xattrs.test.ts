import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiffEntry } from '../../backend/api/save.ts';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { copiedBytes, waitFor } from '../support/hybrid-node.ts';
import { TestLab } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { CAP_CHOWN } from '../support/xattrs.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const inNode = (script: string): Promise<string> => lab.inNode('v1', script);
const XATTRS = '/bin/_walt_internal_/walt-xattrs';
const hex = (text: string): string => Buffer.from(text).toString('hex');
/** What walt-xattrs lists of the given files in the node. */
const list = (...paths: string[]): Promise<string> =>
  inNode(`printf '%s\\0' ${paths.join(' ')} | ${XATTRS} list`);
const CAPABLE = `n ${hex('security.capability')}\nv ${CAP_CHOWN.toString('hex')}\n`;
const NOTE = `n ${hex('user.note')}\nv 00ff0a\n`;

beforeAll(async () => {
  const { tar } = await defaultImageTar('pc-x86-64-tiny');
  const busybox = execFileSync('tar', ['-xOf', tar, './bin/busybox'], { maxBuffer: 16 << 20 });
  const chown: TarEntry = {
    ...{ path: './opt/chown', type: 'file', mode: 0o755, content: busybox },
    xattrs: new Map([
      ['security.capability', CAP_CHOWN],
      ['user.note', Buffer.from([0, 255, 10])],
    ]),
  };
  await importVariant(lab, 'capable', { entries: [chown] });
  const { xattrs: _, ...plain } = { ...chown, path: './opt/more/chown' };
  await importVariant(lab, 'another', {
    add: { 'etc/motd': 'another\n' },
    entries: [chown, { ...plain, type: 'hardlink', target: './opt/chown' }],
  });
}, 120_000);
afterAll(() => lab.remove());

/** A plain user gives a file away by a program of the image: the status. */
const giveAway = (program: string): Promise<string> =>
  inNode(`rm -f /tmp/own; start-stop-daemon -S -c nobody -x /bin/touch -- /tmp/own
    start-stop-daemon -S -c nobody -x ${program} -- 1234 /tmp/own 2>/dev/null; stat -c %u /tmp/own; rm /tmp/own`);

describe.runIf(isLong)('file capabilities and other attributes in hybrid boot', () => {
  test('a program has its capability on the copy', async () => {
    await lab.bootyard(...['node', 'create', 'v1', '--image', 'capable', 'disks=1G[template=hybrid-boot-v]']);
    await waitFor(lab, 'v1');
    expect(await list('/opt/chown', '/bin/busybox')).toBe(`f ${hex('/opt/chown')}\n${CAPABLE}${NOTE}`);
    expect(await giveAway('/opt/chown')).toBe('1234\n');
    expect(await giveAway('/bin/chown')).toBe('65534\n');
  });

  test.runIf(isLong)('a difference in attributes alone is a change, and the saved image has it', async () => {
    await inNode(`set -e; cd /; cp /bin/busybox /srv/new; chmod 700 /srv
      printf 'f %s\\n${CAPABLE.replaceAll('\n', '\\n')}' ${hex('/srv/new')} | ${XATTRS} set
      printf 'f %s\\n${NOTE.replaceAll('\n', '\\n')}' ${hex('/etc/group')} | ${XATTRS} set
      printf 'f %s\\n${NOTE.replaceAll('\n', '\\n')}' ${hex('/opt/chown')} | ${XATTRS} set`);
    const changes = JSON.parse(await lab.bootyard('node', 'diff', 'v1', '--json')) as DiffEntry[];
    expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'M /etc/group',
      'M /opt/chown',
      'M /srv',
      'A /srv/new',
    ]);
    await lab.bootyard('node', 'save', 'v1', 'saved', '--yes');
    await lab.bootyard('node', 'boot', 'v1', 'saved');
    await waitFor(lab, 'v1');
    const copied = await copiedBytes(lab, 'v1');
    expect([copied > 0, copied < 5e6]).toEqual([true, true]);
    expect(await list('/etc/group', '/opt/chown', '/srv/new')).toBe(
      `f ${hex('/etc/group')}\n${NOTE}f ${hex('/opt/chown')}\n${NOTE}f ${hex('/srv/new')}\n${CAPABLE}`,
    );
    expect(await lab.bootyard('node', 'diff', 'v1', '--json')).toBe('[]\n');
  });

  test.runIf(isLong)(
    'a second boot finds it there; an image like it shares the program with it',
    async () => {
      await lab.bootyard('node', 'boot', 'v1', 'capable');
      await waitFor(lab, 'v1');
      expect(await copiedBytes(lab, 'v1')).toBe(0);
      expect(await giveAway('/opt/chown')).toBe('1234\n');
      await lab.bootyard('node', 'boot', 'v1', 'another');
      await waitFor(lab, 'v1');
      // The program alone is larger.
      expect(await copiedBytes(lab, 'v1')).toBeLessThan(1.5e6);
      expect(await giveAway('/opt/more/chown')).toBe('1234\n');
      await inNode(`mkdir /srv/d; cp /bin/busybox /srv/d/chown
      printf 'f %s\\n${CAPABLE.replaceAll('\n', '\\n')}' ${hex('/srv/d/chown')} | ${XATTRS} set`);
      await lab.bootyard('node', 'cp', 'v1:/srv/d', 'booted-image', '--force');
      await waitFor(lab, 'v1');
      expect(await giveAway('/srv/d/chown')).toBe('1234\n');
    },
  );
});
