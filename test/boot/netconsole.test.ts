import { execFileSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NETWORK } from '../../backend/lab/network.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const MODULES = ['kernel/fs/configfs/configfs.ko', 'kernel/drivers/net/netconsole.ko'];

/** The kernel of the tiny image is that of the default one, which has the modules. */
describe.runIf(isLong)('a kernel that sends its console over the network', () => {
  const lab = new TestLab();
  beforeAll(async () => {
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('node', 'create', '--wait', 'vnode1', '--image', 'pc-x86-64-tiny');
    const { tar } = await defaultImageTar('pc-x86-64-default');
    const version = (await lab.inNode('vnode1', 'uname -r')).trim();
    const files = MODULES.map((module) => `./usr/lib/modules/${version}/${module}`);
    execFileSync('tar', ['-x', '-f', tar, '-C', lab.home, ...files]);
    for (const file of files) await lab.bootyard('node', 'cp', join(lab.home, file), 'vnode1:/tmp/');
    await lab.inNode('vnode1', 'insmod /tmp/configfs.ko');
  });
  afterAll(() => lab.remove());

  test.each([
    ['basic', ''],
    ['extended', '+'],
  ])('%s', async (word, format) => {
    const { ip } = await lab.node('vnode1');
    const card = (await lab.inNode('vnode1', 'ls /sys/class/net | grep -v lo')).trim();
    const target = `${format}1234@${ip}/${card},12342@${NETWORK.address}/${NETWORK.mac}`;
    // Four characters for each byte of such a letter make fragments in the extended format.
    const say = `echo "<1>${word} $((6*7))" >/dev/kmsg; echo "<1>${'\u00e9'.repeat(200)} ${word}" >/dev/kmsg`;
    await lab.inNode('vnode1', `insmod /tmp/${basename(MODULES[1] ?? '')} netconsole=${target}`);
    // The kernel has sent all that it had in a burst: what that has cost is marked.
    await lab.inNode('vnode1', say);
    const streams = ['--streams', '^netconsole$'];
    const patience = ['--time-margin', '60', '--timeout', '60'];
    await lab.bootyard('log', 'wait', ...patience, ...streams, `^\\[ *[0-9]+\\.[0-9]{6}\\] ${word} 42$`);
    await lab.bootyard(
      'log',
      'wait',
      ...patience,
      ...streams,
      `^\\[ *[0-9]+\\.[0-9]{6}\\] \u00e9{200} ${word}$`,
    );
    const all = await lab.bootyard('log', 'show', '--history', 'full', ...streams);
    expect(all).toContain(`vnode1.netconsole -> [`);
    await lab.inNode('vnode1', 'rmmod netconsole');
  });
});
