import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab, until } from '../support/lab.ts';
import { importVariant, type Change } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(() => lab.importDefault('pc-x86-64-tiny'));
afterAll(() => lab.remove());

/** Boots a broken image and returns the sentence that the node's state gives. */
async function reasonOf(name: string, change: Change, ...settings: string[]): Promise<string> {
  await importVariant(lab, name, change);
  const flags = ['boot.retries=0', ...settings].flatMap((setting) => ['--set', setting]);
  await lab.bootyard('node', 'create', name, '--image', name, ...flags);
  const failed = await until(
    'failed',
    () => lab.node(name),
    (node) => node.state === 'failed',
    120_000,
  );
  const wait = await lab.run('node', 'wait', '--timeout', '5', name);
  expect(wait.status).toBe(1);
  await lab.bootyard('node', 'remove', '--force', name);
  return failed.reason ?? '';
}

describe('an image that does not boot is a state with a reason', () => {
  test.runIf(isLong)('no boot script', async () => {
    const reason = await reasonOf('no-script', { remove: ['boot/pc-x86-64/start.ipxe'] });
    expect(reason).toContain('/boot/pc-x86-64/start.ipxe');
  });

  test('no kernel', async () => {
    const reason = await reasonOf('no-kernel', { remove: ['boot/pc-x86-64/kernel'] });
    expect(reason).toContain('/boot/pc-x86-64/kernel');
  });

  test.runIf(isLong)('no /sbin/init: the kernel panics, and its words are the reason', async () => {
    const reason = await reasonOf('no-init', { remove: ['sbin/init'] });
    expect(reason).toMatch(/panic|sbin\/init/);
  });

  test.runIf(isLong)('an init that does nothing: the boot stands still', async () => {
    const reason = await reasonOf(
      'still',
      { remove: ['sbin/init'], add: { 'sbin/init': '#!/bin/busybox sh\nexec busybox sleep 100000\n' } },
      'boot.timeout=15',
    );
    expect(reason).toMatch(/^Stopped at init: .+ no ssh server listens on port 22/);
  });

  test('an image for another model, or for none, is refused before it boots', async () => {
    const { tar } = await defaultImageTar('pc-x86-64-tiny');
    await lab.bootyard('image', 'import', tar, 'unlabelled');
    await lab.bootyard('image', 'import', tar, 'other', '--label', 'walt.node.models=rpi-3-b');
    for (const image of ['unlabelled', 'other']) {
      const { status, stderr } = await lab.run('node', 'create', 'n1', '--image', image);
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining('Sorry, this image is not compatible with'),
      ]);
    }
    expect(await lab.nodes()).toEqual([]);
  });

  test('an image without an initrd gets one made from its modules; a bad image.spec is a warning', async () => {
    await importVariant(lab, 'no-initrd', {
      remove: ['boot/pc-x86-64/initrd'],
      add: { 'etc/walt/image.spec': '{"templates": ["/etc/nothing"]}' },
    });
    await lab.bootyard('node', 'create', 'n2', '--image', 'no-initrd');
    await lab.bootyard('node', 'wait', '--timeout', '280', 'n2');
    expect(await lab.inNode('n2', 'df / | tail -1')).toMatch(/^union/);
    const warning = '/etc/walt/image.spec lists the template "/etc/nothing", which does not exist.';
    expect((await lab.timeline('n2')).stages[0]?.detail).toContain(warning);
    expect(lab.daemonLog()).toContain(warning);
  });
});
