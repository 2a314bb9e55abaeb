import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootMode, copiedBytes, debugfs, PARTITION, waitFor } from '../support/hybrid-node.ts';
import { TestLab } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await importVariant(lab, 'other', { add: { 'etc/motd': 'another image\n' }, remove: ['etc/shells'] });
}, 120_000);
afterAll(() => lab.remove());

const wait = (node: string): Promise<void> => waitFor(lab, node);
const copied = (node: string): Promise<number> => copiedBytes(lab, node);
const mode = (node: string): Promise<string> => bootMode(lab, node);

describe('hybrid boot', () => {
  test('volatile: runs from a copy on the disk, which the next boot finds; what was written is lost', async () => {
    await lab.bootyard('node', 'create', 'v1', 'disks=1G[template=hybrid-boot-v]');
    await wait('v1');
    expect(await lab.inNode('v1', 'df -m / | tail -n1')).toMatch(/^union +9\d\d /);
    expect(await mode('v1')).toBe('hybrid-volatile');
    expect(await copied('v1')).toBeGreaterThan(20e6);
    expect(await lab.inNode('v1', `ls -A ${PARTITION} ${PARTITION}/walt_hybrid/*`)).toMatch(
      /\.last-boot\n\.verified\ndiff\nimage\nlocal\nwork\n/,
    );
    await lab.inNode('v1', 'echo x >/root/note; echo y >/local/note; rm /etc/profile; sync');
    await lab.bootyard('node', 'reboot', 'v1');
    await wait('v1');
    expect(await lab.inNode('v1', 'ls /root/note /local/note /etc/profile 2>/dev/null || :')).toBe(
      '/etc/profile\n',
    );
    expect(await copied('v1')).toBe(0);
  });

  test.runIf(isLong)(
    'another image like it moves less than 15 % of the bytes; the first is still there afterwards',
    async () => {
      const whole = 35e6;
      await lab.bootyard('node', 'boot', 'v1', 'other');
      await wait('v1');
      expect(await lab.inNode('v1', 'cat /etc/motd; ls /etc/shells 2>/dev/null || :')).toBe(
        'another image\n',
      );
      const moved = await copied('v1');
      expect([moved > 0, moved < whole * 0.15]).toEqual([true, true]);
      await lab.bootyard('node', 'boot', 'v1', 'pc-x86-64-tiny');
      await wait('v1');
      expect(await copied('v1')).toBe(0);
      expect(await lab.inNode('v1', 'ls /etc/shells')).toBe('/etc/shells\n');
      await lab.bootyard('node', 'remove', '--force', 'v1');
    },
  );

  test('persistent: what was written stays; injected files are fresh all the same', async () => {
    await lab.bootyard('node', 'create', 'p1', 'disks=1G[template=hybrid-boot-p]');
    await wait('p1');
    expect(await mode('p1')).toBe('hybrid-persistent');
    await lab.inNode(
      'p1',
      'echo x >/root/note; echo y >/local/note; rm /etc/shells; mkdir /tmp/gone; echo stale >/etc/hosts',
    );
    await lab.inNode(
      'p1',
      'rm -r /root/.ssh; mkdir /root/.ssh; echo stale >/root/.ssh/authorized_keys; rm -r /bin/_walt_internal_; sync',
    );
    await lab.bootyard('node', 'stop', 'p1');
    await lab.bootyard('node', 'rename', 'p1', 'renamed');
    await lab.bootyard('node', 'boot', 'renamed');
    await wait('renamed');
    expect(
      await lab.inNode(
        'renamed',
        'cat /root/note /local/note; ls /etc/shells /tmp/gone 2>/dev/null; grep -c renamed.walt /etc/hosts',
      ),
    ).toBe('x\ny\n1\n');
    expect(
      await lab.inNode(
        'renamed',
        'ls /bin/_walt_internal_ | grep -c .; cat /root/.ssh/authorized_keys | grep -c bootyard',
      ),
    ).toMatch(/^\d\d\n1\n$/);
    await lab.bootyard('node', 'remove', '--force', 'renamed');
  });

  test.runIf(isLong)('a directory spelled walt-hybrid is pointed out', async () => {
    await lab.bootyard('node', 'create', 'h1', 'disks=1G[template=ext4]');
    await wait('h1');
    await lab.bootyard('node', 'stop', 'h1');
    debugfs(lab, (await lab.node('h1')).mac, 'mkdir walt-hybrid');
    await lab.bootyard('node', 'boot', 'h1');
    await wait('h1');
    expect(await mode('h1')).toBe('network');
    const { stages } = await lab.timeline('h1');
    expect(stages.map(({ detail }) => detail).join()).toContain(
      'hybrid boot needs it to be called walt_hybrid',
    );
    await lab.bootyard('node', 'remove', '--force', 'h1');
  });
});
