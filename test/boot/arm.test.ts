import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const ARM = 'qemu-arm-64';
const lab = new TestLab();
const scratch = mkdtempSync(join(tmpdir(), 'by-arm-'));

beforeAll(async () => {
  await lab.importDefault('qemu-arm-64-tiny');
  await lab.importDefault('pc-x86-64-tiny');
  await importBoth('both');
});
afterAll(async () => {
  await lab.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** The image for arm64 with the boot folder of the other beside its own; its label names both models. */
async function importBoth(name: string): Promise<void> {
  const arm = await defaultImageTar('qemu-arm-64-tiny');
  const pc = await defaultImageTar('pc-x86-64-tiny');
  const tar = join(scratch, 'both.tar');
  copyFileSync(arm.tar, tar);
  execFileSync('tar', ['-xf', pc.tar, '-C', scratch, './boot/pc-x86-64']);
  execFileSync('tar', ['-rf', tar, '--owner=0', '--group=0', '-C', scratch, './boot/pc-x86-64']);
  await lab.bootyard('image', 'import', tar, name, '--label', `walt.node.models=pc-x86-64,${ARM}`);
}

/** Runs a command that must fail, and returns its sentence. */
async function refusal(...words: string[]): Promise<string> {
  const { status, stderr } = await lab.run(...words);
  expect(status).toBe(1);
  return stderr.trim();
}

describe('what makes no sense is refused, and no node is made', () => {
  test.each([
    [['--model', ARM, '--image', 'pc-x86-64-tiny'], `Sorry, this image is not compatible with ${ARM}.`],
    [['--model', 'pc-x86-64', '--image', 'qemu-arm-64-tiny'], 'this image is not compatible with pc-x86-64.'],
    [['--model', 'rpi-3-b'], "No node model is named 'rpi-3-b'; there are pc-x86-64, qemu-arm-64."],
    [['--model', ARM, 'firmware=pxe'], "which starts with U-Boot, so 'firmware' setting cannot be applied."],
    [['--model', ARM, 'accel=kvm'], "so 'accel' setting cannot be applied."],
  ])('node create n1 %j', async (words, sentence) => {
    expect(await refusal('node', 'create', 'n1', ...words)).toContain(sentence);
    expect(await lab.nodes()).toEqual([]);
  });
});

describe('an image of several models', () => {
  test('a qemu-arm-64 node boots by U-Boot, step by step', { timeout: 400_000 }, async () => {
    await lab.bootyard('node', 'create', 'arm1', '--image', 'both', '--model', ARM);
    await lab.bootyard('node', 'wait', '--timeout', '300', 'arm1');
    const { stages } = await lab.timeline('arm1');
    expect(stages.map((stage) => stage.name)).toEqual([
      'firmware',
      'dhcp',
      'boot files',
      'kernel',
      'root',
      'walt-init',
      'init',
      'booted',
    ]);
    const details = Object.fromEntries(stages.map(({ name, detail }) => [name, detail]));
    expect(details.firmware).toMatch(/firmware U-Boot; U-Boot 20\d\d/);
    expect(details['boot files']).toMatch(
      /^tftp start\.uboot .*; tftp kernel .* MB .*; tftp initrd .*; tftp dtb /,
    );
    const { ip, mac } = await lab.node('arm1');
    expect(details.root).toBe(`/var/lib/walt/nodes/${ip}/fs`);
    const facts = await lab.inNode('arm1', 'uname -m; tty -s; cat /proc/cmdline; mount | grep " / "');
    expect(facts).toContain('aarch64');
    expect(facts).toContain(`walt.node.model=${ARM}`);
    expect(facts).toContain(`BOOTIF=01-${mac.replaceAll(':', '-')}`);
    expect(facts).toContain('union on / type overlay');
    // What the node knows itself to be: its scripts skip the clock, and its device tree is that of its settings.
    const { 'cpu.cores': cores } = (await lab.node('arm1')).settings;
    expect(await lab.inNode('arm1', 'ls /sys/firmware/devicetree/base/cpus | grep -c cpu@')).toBe(
      `${cores}\n`,
    );
    const vnode = '. /bin/_walt_internal_/walt-script-common; is_vnode && echo yes';
    expect(await lab.inNode('arm1', vnode)).toBe('yes\n');
    // The program for extended attributes is one for this processor. x, trusted.a
    const set = 'f 78\nn 747275737465642e61\nv 00ff\n';
    const program = '/bin/_walt_internal_/walt-xattrs';
    const attributes = `cd /run; : >x; printf '${set}' | ${program} set && printf 'x\\0' | ${program} list`;
    expect(await lab.inNode('arm1', attributes)).toBe(set);
  });

  test('its settings are those of its model', async () => {
    expect(await lab.bootyard('node', 'config', 'arm1')).not.toContain('firmware=');
    expect(await refusal('node', 'config', 'arm1', 'firmware=ipxe')).toContain('arm1 is a qemu-arm-64 node');
  });

  test('a node that names no model gets the usual one, and its files', { timeout: 200_000 }, async () => {
    await lab.bootyard('node', 'create', 'pc1', '--image', 'both', 'boot.retries=0');
    expect((await lab.node('pc1')).model).toBe('pc-x86-64');
    const { stages } = await until(
      'kernel',
      () => lab.timeline('pc1'),
      (timeline) => timeline.stages.some((stage) => stage.name === 'kernel'),
      150_000,
    );
    expect(stages.find((stage) => stage.name === 'boot files')?.detail).toMatch(
      /tftp start\.ipxe .*http kernel/,
    );
    await lab.bootyard('node', 'remove', '--force', 'pc1');
  });

  test('an image for one model makes nodes of it; a default image is found by model', async () => {
    await lab.bootyard('node', 'create', 'arm2', '--image', 'qemu-arm-64-tiny');
    await lab.bootyard('node', 'create', 'arm3', '--model', ARM);
    expect((await lab.nodes('arm2,arm3')).map(({ model, image }) => [model, image])).toEqual([
      [ARM, 'qemu-arm-64-tiny'],
      [ARM, 'qemu-arm-64-tiny'],
    ]);
    expect(await refusal('node', 'boot', 'arm2', 'pc-x86-64-tiny')).toContain('is not compatible with');
    await lab.bootyard('node', 'remove', '--force', 'arm2,arm3');
  });
});

describe.runIf(isLong)('the rest of a node’s life', { timeout: 600_000 }, () => {
  test('it reboots softly', async () => {
    await lab.bootyard('node', 'reboot', 'arm1');
    await lab.bootyard('node', 'wait', '--timeout', '300', 'arm1');
    expect(lab.daemonLog()).toContain('method: soft-reboot');
  });

  test('many processors and more memory: the device tree goes with them', async () => {
    await lab.bootyard('node', 'config', 'arm1', 'cpu.cores=12', 'ram=1G');
    await lab.bootyard('node', 'reboot', '--hard', 'arm1');
    await lab.bootyard('node', 'wait', '--timeout', '400', 'arm1');
    expect(await lab.inNode('arm1', 'nproc')).toBe('12\n');
    await lab.bootyard('node', 'remove', '--force', 'arm1');
  });

  test.each([
    ['boot/qemu-arm-64/start.uboot', '/boot/qemu-arm-64/start.uboot'],
    ['boot/qemu-arm-64/kernel', '/boot/qemu-arm-64/kernel'],
  ])('an image without %s fails with that as its reason', async (path, words) => {
    const { tar } = await defaultImageTar('qemu-arm-64-tiny');
    const copy = join(scratch, 'less.tar');
    copyFileSync(tar, copy);
    execFileSync('tar', ['--delete', '-f', copy, `./${path}`]);
    const label = ['--label', `walt.node.models=${ARM}`, '--force'];
    await lab.bootyard('image', 'import', copy, 'less', ...label);
    await lab.bootyard('node', 'create', 'less', '--image', 'less', 'boot.retries=0');
    const failed = () => lab.node('less');
    const { reason } = await until('failed', failed, (node) => node.state === 'failed', 300_000);
    expect(reason).toContain(words);
    await lab.bootyard('node', 'remove', '--force', 'less');
  });
});
