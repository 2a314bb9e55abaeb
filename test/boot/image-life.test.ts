import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';
import { DockerRegistry } from '../support/registry.ts';
import { isLong } from '../support/long.ts';

// What becomes of an image without any boot, and then a boot of it.
const lab = new TestLab();
const TINY = 'pc-x86-64-tiny';
const folder = mkdtempSync(join(tmpdir(), 'by-life-'));
let registry: DockerRegistry;
beforeAll(async () => {
  await lab.importDefault(TINY);
  registry = await DockerRegistry.start({ port: 5017 });
  await lab.bootyard('registry', 'add', 'own', `http://${registry.host}`);
});
afterAll(async () => {
  await registry.stop();
  await lab.remove();
  rmSync(folder, { recursive: true });
});

const image = async (name: string) => (await lab.images()).find((one) => one.name === name);
async function copyIn(name: string, path: string, content: string): Promise<void> {
  const file = join(folder, 'file');
  writeFileSync(file, content, { mode: 0o640 });
  await lab.bootyard('image', 'cp', file, `${name}:${path}`);
}
const LOOK = 'cat /etc/motd; stat -c "%a %u:%g" /etc/motd; ls /etc/shells 2>&1 | tail -c 13';

test('an image that was edited, squashed, published, cloned, duplicated and labelled boots, and tells its faults', async () => {
  await lab.bootyard('image', 'duplicate', TINY, 'edited');
  await copyIn('edited', '/etc/motd', 'edited\n');
  // A fault that stops no boot.
  await copyIn('edited', '/etc/machine-id', `${'0123456789abcdef'.repeat(2)}\n`);
  expect(await image('edited')).toMatchObject({ layers: 3 });
  await lab.bootyard('image', 'squash', 'edited', 'squashed');
  expect(await image('squashed')).toMatchObject({ layers: 1, models: ['pc-x86-64'] });
  await lab.bootyard('image', 'publish', 'squashed', '--registry', 'own', '--as', 'me/life:v1');
  await lab.bootyard('image', 'remove', 'squashed');
  await lab.bootyard('image', 'clone', 'own:me/life:v1', 'cloned');
  await lab.bootyard('image', 'duplicate', 'cloned', 'labelled');
  await lab.bootyard('image', 'label', 'labelled', 'walt.server.minversion=5', 'life=long');
  expect(await image('labelled')).toMatchObject({ labels: { life: 'long', 'walt.server.minversion': '5' } });

  await lab.bootyard('node', 'create', 'n1', '--image', 'labelled', '--wait');
  expect(await lab.inNode('n1', LOOK)).toBe('edited\n640 0:0\n/etc/shells\n');
  const warned = lab.daemonLog().match(/node n1: WARNING: .*/g);
  expect(warned).toEqual([expect.stringContaining('/etc/machine-id')]);
  expect(JSON.stringify(await lab.timeline('n1'))).toContain('machine-id');
}, 200_000);

test.runIf(isLong)(
  'each of these boots with what it alone has',
  async () => {
    await lab.bootyard('image', 'squash', 'edited', 'squashed');
    for (const name of ['edited', 'squashed', 'cloned']) {
      await lab.bootyard('node', 'boot', 'n1', name, '--wait');
      expect(await lab.inNode('n1', LOOK)).toBe('edited\n640 0:0\n/etc/shells\n');
    }
    // An edit of the image that the node runs on asks, and reboots it.
    writeFileSync(join(folder, 'file'), 'again\n');
    const refused = await lab.run('image', 'cp', join(folder, 'file'), 'cloned:/etc/motd');
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('would reboot 1 node(s)')]);
    await lab.bootyard('image', 'cp', join(folder, 'file'), 'cloned:/etc/motd', '--force');
    await lab.bootyard('node', 'wait', 'n1');
    expect(await lab.inNode('n1', 'cat /etc/motd')).toBe('again\n');
  },
  600_000,
);
