import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ImageLinter } from '../../../backend/boot/lint/linter.ts';
import { BootPlanner } from '../../../backend/boot/plan.ts';
import { ServedNodes } from '../../../backend/boot/served-nodes.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import { type DefaultImage, defaultImageTar } from '../../support/default-image.ts';
import { isLong } from '../../support/long.ts';
import { file, folder, tarOf, testFolder } from '../images/support.ts';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';

const home = mkdtempSync('/tmp/bootyard-lint-');
afterAll(() => rmSync(home, { recursive: true }));
const logged: string[] = [];
const store = new ImageStore(join(home, 'store'));
const newLinter = () =>
  new ImageLinter({ images: store, ramBytes: 2 ** 29, log: (line) => void logged.push(line) });

const LONG = 600_000;

// A Debian system takes minutes to build.
const IMAGES: readonly DefaultImage[] = ['pc-x86-64-tiny', 'qemu-arm-64-tiny'];
test.each([...IMAGES, ...(isLong ? (['pc-x86-64-default'] as const) : [])])(
  'nothing is found in %s',
  async (name) => {
    const { tar, labels } = await defaultImageTar(name);
    const image = await store.import({ path: tar, name, labels, force: true });
    const steps: number[] = [];
    expect(await newLinter().lint(image, { progress: ({ fraction }) => void steps.push(fraction) })).toEqual(
      [],
    );
    expect(steps.length).toBeGreaterThan(20);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    await store.remove(name);
  },
  LONG,
);

/** An image with a kernel and no more. */
async function poorImage(name: string) {
  const path = join(home, `${name}.tar`);
  const boot = 'boot/pc-x86-64';
  writeFileSync(
    path,
    tarOf([
      ...['bin', 'sbin', 'lib'].map((path) => folder(path)),
      file(`${boot}/start.ipxe`, `#!ipxe\necho ${name}\n`),
      file(`${boot}/initrd`, 'x'),
      file('etc/machine-id', '0123456789abcdef0123456789abcdef\n'),
      file('etc/ssh/ssh_host_rsa_key', 'x'),
    ]),
  );
  return store.import({ path, name, labels: { 'walt.node.models': 'pc-x86-64' } });
}

test('a first boot says what is found, once, and goes on', async () => {
  await poorImage('poor');
  const linter = newLinter();
  const lab = { serverAddress: '192.168.152.1', serverMac: '02:00:c0:a8:98:01', authorizedKey: 'ssh-rsa A' };
  const keys = { hostKey: Buffer.from('k'), hostKeyPublic: 'ecdsa A', dropbearKey: Buffer.from('k') };
  const registry = { registryCertificate: 'PEM', registryPlace: 'registry.walt:5000' };
  const planner = new BootPlanner({
    images: store,
    linter,
    served: new ServedNodes(),
    reads: { follow: () => undefined, save: () => undefined, readAhead: () => Promise.resolve() },
    lab: { ...lab, ...keys, ...registry },
    dropClient: () => undefined,
    log: () => undefined,
  });
  const node = {
    mac: '52:54:00:00:00:02',
    ip: '192.168.152.2',
    name: 'n1',
    model: 'pc-x86-64',
    image: 'poor',
  };
  const plan = await planner.plan(node, testFolder());
  expect(plan.warnings[0]).toBe(
    'The image has no kernel at /boot/pc-x86-64/kernel, which the boot script of pc-x86-64 nodes loads. Install a kernel in the image, and let a relative link in the boot folder lead to it.',
  );
  expect(plan.warnings.at(-1)).toMatch(
    /^There are \d more findings on the image: run 'bootyard image lint poor'\.$/,
  );
  expect(plan.warnings.length).toBe(6);
  expect(new Set(plan.warnings).size).toBe(plan.warnings.length);
  const again = await planner.plan(node, testFolder());
  expect(again.warnings).toEqual([]);
  planner.release(node);
});

test('a check that lasts long is given up, and the boot goes on', async () => {
  const image = await poorImage('slow');
  const slow = {
    tree: async (id: string) => {
      await new Promise((resolve) => setTimeout(resolve, 3500));
      return store.tree(id);
    },
    layerIndexes: store.layerIndexes.bind(store),
  };
  const linter = new ImageLinter({ images: slow, ramBytes: 2 ** 29, log: (line) => void logged.push(line) });
  expect(await linter.beforeBoot(image, 'pc-x86-64')).toEqual([
    "The image was not checked before its first boot: run 'bootyard image lint slow'.",
  ]);
  expect(logged.at(-1)).toContain('timeout');
});

test('a check that cannot be made stops no boot', async () => {
  const image = await poorImage('gone');
  await store.remove('gone');
  expect(await newLinter().beforeBoot(image, 'pc-x86-64')).toEqual([
    "The image was not checked before its first boot: run 'bootyard image lint gone'.",
  ]);
  expect(logged.at(-1)).toContain('There is no image with id');
});
