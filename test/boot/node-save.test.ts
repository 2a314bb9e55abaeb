import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiffEntry } from '../../backend/api/save.ts';
import { TestLab } from '../support/lab.ts';

const lab = new TestLab();
const inNode = (script: string) => lab.inNode('vnode1', script);
const diff = async () => JSON.parse(await lab.bootyard('node', 'diff', 'vnode1', '--json')) as DiffEntry[];
const paths = (changes: DiffEntry[]) => changes.map(({ kind, path }) => `${kind} ${path}`);

beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'pc-x86-64-tiny');
});
afterAll(() => lab.remove());

/** What the changes come to, seen from inside. */
const LOOK = `cd /; ls -d etc/profile etc/profile.old etc/walt 2>&1 | sort; ls -A etc/walt
stat -c '%A %u:%g %n %t,%T' srv/dir srv/dir/empty srv/dir/node srv/dir/pipe etc/motd srv/dir/set 2>&1
stat -c '%h' srv/dir/one; readlink srv/dir/link; cat srv/dir/two "srv/dir/odd
name"; ls -d srv/dir/log/line srv/dir/x.lock etc/machine-id 2>/dev/null; cat etc/hostname 2>/dev/null; ls root/.ssh`;

describe('node save', () => {
  test('a node that has changed nothing differs in nothing', async () => {
    expect(paths(await diff())).toEqual([]);
  });

  test("lists every kind of change, and what is the lab's or of one boot is not among them", async () => {
    await inNode(`set -e; cd /
      mv etc/profile etc/profile.old
      rm -rf etc/walt; mkdir -p etc/walt; echo new >etc/walt/own
      mkdir -p srv/dir/empty srv/dir/log; echo log >srv/dir/log/line; echo 1 >srv/dir/x.lock; echo id >etc/machine-id
      echo one >srv/dir/one; ln srv/dir/one srv/dir/two; ln -s ../nowhere srv/dir/link; mkfifo srv/dir/pipe
      printf x >"srv/dir/odd
name"; mknod srv/dir/node b 7 9; echo s >srv/dir/set; chown 12:34 srv/dir/set; chmod 4711 srv/dir/set; chmod 700 srv/dir
      touch etc/group; echo motd >etc/motd; echo key >>root/.ssh/authorized_keys; echo name >etc/hostname`);
    const changes = paths(await diff());
    expect(changes).toEqual(
      expect.arrayContaining([
        'D /etc/profile',
        'A /etc/profile.old',
        'A /srv/dir',
        'A /srv/dir/empty',
        'A /srv/dir/node',
        'A /srv/dir/set',
        'A /etc/walt/own',
      ]),
    );
    expect(changes.filter((line) => line.startsWith('D /etc/walt/')).length).toBeGreaterThan(0);
    expect(changes.join(' ')).not.toMatch(
      /etc\/group|authorized_keys|hostname|walt-env|_walt_|\.lock|machine-id|log\/line/,
    );
  });

  test('asks; the saved image boots with every change', async () => {
    const unasked = await lab.run('node', 'save', 'vnode1', 'mine');
    expect([unasked.status, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    const before = await inNode(LOOK);
    expect(await lab.bootyard('node', 'save', 'vnode1', 'mine', '--yes')).toMatch(
      /\nNew image mine saved\.\n$/,
    );
    const image = (await lab.images()).find(({ name }) => name === 'mine');
    expect(image).toMatchObject({ layers: 2, models: ['pc-x86-64'] });
    const again = await lab.run('node', 'save', 'vnode1', 'mine', '--yes');
    expect([again.status, again.stderr]).toEqual([
      1,
      "Error: Image 'mine' already exists. Use --force to go on.\n",
    ]);
    expect((await lab.run('node', 'save', 'vnode1', 'No', '--yes')).stderr).toMatch(
      /^Bad name: Only lowercase/,
    );

    await lab.bootyard('node', 'boot', 'vnode1', 'mine', '--wait');
    expect(await inNode(LOOK)).toBe(
      before.replace(/^log\n|srv\/dir\/log\/line\n|srv\/dir\/x.lock\n|etc\/machine-id\n|^name\n/gm, ''),
    );
    expect(paths(await diff())).toEqual([]);
    await inNode('rm /srv/dir/one; echo third >/srv/third');
    await lab.bootyard('node', 'save', 'vnode1', 'mine', '--yes', '--force');
    await lab.bootyard('node', 'boot', 'vnode1', '--wait');
    expect(await inNode('cat /srv/third /srv/dir/two; ls /srv/dir/one 2>&1; true')).toMatch(
      /^third\none\nls: .*No such/,
    );
  });

  test('cp to the booted image asks, puts the path there and reboots the nodes that use it', async () => {
    await inNode(
      'mkdir -p /opt/tool/sub; echo run >/opt/tool/sub/it; ln -s sub/it /opt/tool/link; echo no >/opt/other',
    );
    const refused = await lab.run('node', 'cp', 'vnode1:/opt/tool', 'booted-image');
    expect([refused.status, refused.stderr]).toEqual([
      1,
      'This operation would reboot 1 node(s) currently using the image. Use --force to go on.\n',
    ]);
    const said = await lab.bootyard('node', 'cp', 'vnode1:/opt/tool', 'booted-image', '--force');
    expect(said).toBe('Image mine updated.\nNode vnode1: rebooted ok.\n');
    await lab.bootyard('node', 'wait', 'vnode1');
    expect(await inNode('cat /opt/tool/link /srv/third; ls /opt')).toBe('run\nthird\ntool\n');
    const missing = await lab.run('node', 'cp', 'vnode1:/opt/none', 'booted-image', '--force');
    expect([missing.status, missing.stderr]).toEqual([1, 'No such file or directory: /opt/none\n']);
  });
});
