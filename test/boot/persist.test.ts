import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { giveProgram } from '../support/guest-program.ts';
import { TestLab, until } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const nodes = ['n1', 'n2'] as const;
/** `npm run test:all` makes more small files. */
const FILES = isLong ? 10_000 : 300;

beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await importVariant(lab, 'other', { add: { 'etc/motd': 'other' } });
  for (const node of nodes)
    await lab.bootyard('node', 'create', node, '--image', 'pc-x86-64-tiny', 'disks=1G[template=ext4]');
  await booted('all-nodes');
  await giveProgram(lab, 'fs-exercise', ...nodes);
});
afterAll(() => lab.remove());

async function booted(set: string): Promise<void> {
  await lab.bootyard('node', 'wait', '--timeout', '280', set);
}

/** What the node's console has said since power-on. */
async function consoleOf(node: string, text: string): Promise<string> {
  const viewer = lab.spawn('node', 'console', node);
  let said = '';
  viewer.stdout?.on('data', (chunk) => (said += String(chunk)));
  try {
    return await until(
      `"${text}" on the console`,
      () => said,
      (all) => all.includes(text),
    );
  } finally {
    viewer.kill();
  }
}

const MOUNTED = /^\S+:\/var\/lib\/walt\/nodes\/n1\/persist \/persist nfs (\S+)/m;

describe('a node', () => {
  test('finds /persist mounted as WalT mounts it', async () => {
    const [, options = ''] = MOUNTED.exec(await lab.inNode('n1', 'cat /proc/mounts')) ?? [];
    expect(options.split(',')).toEqual(
      expect.arrayContaining(['rw', 'relatime', 'vers=3', 'nolock', 'hard']),
    );
  });

  test('sees on /persist what it sees on an ext4, also while another node does the same', async () => {
    await Promise.all(
      nodes.map(async (node) => {
        const exercise = (folder: string): Promise<string> =>
          lab.inNode(node, `mkdir ${folder}/exercise && /run/fs-exercise ${folder}/exercise ${FILES}`);
        await lab.inNode(node, 'mkdir -p /run/ext4 && mount -t ext4 /dev/sda1 /run/ext4');
        const local = (await exercise('/run/ext4')).split('\n');
        const served = (await exercise('/persist')).split('\n');
        expect(local.length).toBeGreaterThan(350);
        expect(local.at(-2)).toMatch(/^end: \. lists .*together tree$/);
        expect(served).toEqual(local);
      }),
    );
  }, 900_000);
});

describe('what is on /persist', () => {
  const sums = `cd /persist && find kept -type f -exec md5sum {} + | sort; stat -c '%n %a %u:%g %h %F %s %Y %t,%T' kept kept/* | grep -v '^kept '; readlink kept/link`;
  let before = '';

  test('is there after a reboot, and with another image', async () => {
    const make = `mkdir /persist/kept && cd /persist/kept && dd if=/dev/urandom of=big bs=1M count=5 2>/dev/null
      for i in 1 2 3 4 5 6 7 8 9; do echo $i >file-$i; done; ln file-1 hard; ln -s nowhere link; mknod device c 4 64
      mkfifo fifo; chown 1000:50 file-2; chmod 4711 file-3; touch -d @1234567890 file-4`;
    await lab.inNode('n1', make);
    before = await lab.inNode('n1', sums);
    expect(before.split('\n')).toHaveLength(27);
    await lab.bootyard('node', 'reboot', '--hard', 'n1');
    await booted('n1');
    expect(await lab.inNode('n1', sums)).toBe(before);
    await lab.bootyard('node', 'boot', 'n1', 'other');
    await booted('n1');
    expect(await lab.inNode('n1', `cat /etc/motd; ${sums}`)).toBe(`other${before}`);
  });

  test('is not there for another node, by whatever name it asks', async () => {
    const { mac, ip } = await lab.node('n1');
    for (const name of ['n1', ip, mac, mac.replaceAll(':', '-')]) {
      const mount = `mkdir -p /run/foreign; . /bin/walt-env; mount -t nfs -o vers=3,nolock,addr=$walt_server_ip`;
      const path = `"$walt_server_ip:/var/lib/walt/nodes/${name}/persist" /run/foreign`;
      const refused = await lab.run('node', 'run', 'n2', `${mount} ${path}`);
      expect([name, refused.status]).not.toEqual([name, 0]);
      expect(refused.stderr + refused.stdout).toMatch(/denied|Permission/i);
    }
    expect(await lab.inNode('n2', 'ls /persist')).toBe('exercise\n');
  });

  test.runIf(isLong)(
    'is not mounted with mount.persist=false, as the console says, and is there again with true',
    async () => {
      expect(await lab.bootyard('node', 'config', 'n1', 'mount.persist=false')).toContain(
        'Done. Reboot node(s) to see new settings in effect.',
      );
      expect(await lab.inNode('n1', sums)).toBe(before);
      await lab.bootyard('node', 'reboot', '--hard', 'n1');
      await booted('n1');
      await consoleOf('n1', '/persist was not mounted (cf. walt node config)');
      expect(await lab.inNode('n1', 'cat /proc/mounts')).not.toMatch(MOUNTED);
      await lab.bootyard('node', 'config', 'n1', 'mount.persist=true');
      await lab.bootyard('node', 'reboot', '--hard', 'n1');
      await booted('n1');
      expect(await lab.inNode('n1', sums)).toBe(before);
    },
  );

  test.runIf(isLong)('logs of walt-init go to /persist/logs/walt-init when that is there', async () => {
    await lab.inNode('n1', 'mkdir -p /persist/logs/walt-init');
    await lab.bootyard('node', 'reboot', '--hard', 'n1');
    await booted('n1');
    expect(await lab.inNode('n1', 'ls /persist/logs/walt-init')).toContain('walt-init-rootfs-main.err\n');
  });

  test('is named, with what else goes, before it goes with its node', async () => {
    await lab.bootyard('node', 'stop', 'n2');
    const refused = await lab.run('node', 'remove', 'n2');
    const loss =
      /^Removing n2 deletes \d{3,} files and folders in its \/persist \(.*B\) and the data on disk_0\. Use --force to go on\.\n$/;
    expect(refused).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(loss) });
    expect(await lab.inNode('n1', sums)).toBe(before);
    await lab.bootyard('node', 'remove', 'n2', '--force');
    expect((await lab.nodes()).map(({ name }) => name)).toEqual(['n1']);
  });
});
