// The article on hybrid boot, typed as it is written with `bootyard` for `walt`. Minutes of copying and booting:
// `npm run test:all` runs it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const NODE = 'vnode-hybrid';
const lab = new TestLab();
const wait = () => lab.bootyard('node', 'wait', '--timeout', '600', NODE);
/** Size, as `df` has it, of what `df -h /` calls the file system. */
const rootOf = async (): Promise<[string, number]> => {
  const [name = '', size = ''] = (await lab.inNode(NODE, 'df -h / | tail -n1')).split(/\s+/);
  return [name, Number(/^([\d.]+)G$/.exec(size)?.[1])];
};

describe.runIf(isLong)('the article on hybrid boot', () => {
  beforeAll(() => lab.importDefault('pc-x86-64-default'), 600_000);
  afterAll(() => lab.remove());

  test('the simple test: a volatile node runs on its disk', async () => {
    expect(await lab.bootyard('node', 'create', NODE)).toMatch(
      `Node ${NODE} is now booting your image "pc-x86-64-default".\n`,
    );
    expect(await lab.bootyard('node', 'config', NODE, 'disks=32G[template=hybrid-boot-v]')).toBe(
      'Done. Reboot node(s) to see new settings in effect.\n',
    );
    await wait();
    expect(await lab.bootyard('node', 'reboot', NODE)).toBe(`Node ${NODE}: rebooted ok.\n`);
    await wait();
    const [name, size] = await rootOf();
    expect([name, size > 28 && size < 33]).toEqual(['union', true]);
    expect(await lab.inNode(NODE, '. /bin/walt-env; echo $walt_boot_mode; ls -d /local')).toBe(
      'hybrid-volatile\n/local\n',
    );
    await lab.inNode(NODE, 'echo kept >/root/note; sync');
    await lab.bootyard('node', 'reboot', NODE);
    await wait();
    expect(await lab.inNode(NODE, 'cat /root/note 2>/dev/null || echo lost')).toBe('lost\n');
  }, 2_400_000);

  test('the persistent variant keeps a file across reboots', async () => {
    const config = ['node', 'config', NODE, 'disks=32G[template=hybrid-boot-p]'];
    const refused = await lab.run(...config);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('--force')]);
    await lab.bootyard(...config, '--force');
    await lab.bootyard('node', 'reboot', NODE);
    await wait();
    await lab.inNode(NODE, 'echo kept >/root/note; sync');
    await lab.bootyard('node', 'reboot', NODE);
    await wait();
    expect(await lab.inNode(NODE, 'cat /root/note')).toBe('kept\n');
    expect((await rootOf())[0]).toBe('union');
  }, 2_400_000);
});
