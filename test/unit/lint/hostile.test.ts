import { expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { file, folder, link, randomFrom } from '../images/support.ts';
import {
  busybox,
  bytes,
  bzImage,
  GOOD_INITRD,
  goodEntries,
  initrd,
  lintChanged,
  lintLayers,
  MODULES,
  PC,
} from './support.ts';

/** Files whose bytes rules read. */
const READ: Record<string, Buffer> = {
  [`${PC}/kernel`]: bzImage(),
  [`${PC}/initrd`]: initrd(...GOOD_INITRD),
  [`${PC}/start.ipxe`]: Buffer.from('#!ipxe\nset a b || echo ${c} ; chain x && goto y\n'),
  [`${MODULES}/modules.dep`]: Buffer.from('kernel/nfs.ko: kernel/a.ko kernel/b.ko\n'),
  'bin/busybox': readFileSync('/bin/busybox'),
  'etc/ssh/sshd_config': Buffer.from('Include /etc/ssh/*\nPermitRootLogin "no"\nMatch User x\n'),
  'etc/passwd': Buffer.from('root:x:0:0:root:/root:/bin/sh\n'),
  'root/.netrc': Buffer.from('machine x login y password z\n'),
};

test('no bytes of an image make the linter fail', async () => {
  const random = randomFrom(7);
  for (let round = 0; round < 60; round++) {
    const put = Object.entries(READ).map(([path, good]) => {
      const bad = Buffer.from(good);
      for (let change = 0; change < 1 + round / 4; change++)
        bad[Math.floor(random() * Math.min(bad.length, 4096))] = Math.floor(random() * 256);
      const cut = round % 3 === 0 ? Math.floor(random() * bad.length) : bad.length;
      return bytes(path, bad.subarray(0, cut), { mode: 0o755 });
    });
    for (const finding of await lintChanged({ put })) expect(finding.message).toMatch(/\.$/);
  }
});

test.each([
  ['folders where files should be', (path: string) => folder(path)],
  ['links to themselves', (path: string) => link(path, path.slice(path.lastIndexOf('/') + 1))],
  ['links out of the image', (path: string) => link(path, '../../../../../../etc/passwd')],
  ['devices', (path: string) => ({ path, type: 'char' as const, mode: 0o600, major: 1, minor: 3 })],
  ['empty files', (path: string) => file(path)],
])('%s', async (_, make) => {
  const paths = [...goodEntries().keys()].filter((path) => path.includes('/'));
  for (const path of paths) {
    const found = await lintChanged({ remove: [path], put: [make(path)] });
    expect(Array.isArray(found)).toBe(true);
  }
});

test('an image of nothing has what to say of', async () => {
  const found = await lintLayers([[folder('.')]]);
  const ids = found.map(({ rule }) => rule);
  expect(ids).toEqual(
    expect.arrayContaining(['boot.no-folder', 'busybox.missing', 'init.missing', 'ssh.missing']),
  );
});

test('texts made to cost time do not', async () => {
  const many = (text: string) => Buffer.from(text.repeat(Math.ceil((1 << 20) / text.length)));
  const found = await lintChanged({
    put: [
      bytes(`${PC}/more.ipxe`, Buffer.concat([Buffer.from('#!ipxe\n'), many('a && ')])),
      bytes(`${MODULES}/modules.dep`, many('a: ')),
      bytes('etc/ssh/sshd_config', many('Include *a*a*a*a*a*b\nAllowUsers root\n')),
      bytes('etc/default/dropbear', many('DROPBEAR_EXTRA_ARGS="-')),
      ...Array.from({ length: 1500 }, (_, at) => file(`etc/ssh/${'a'.repeat(200)}${at}`)),
      ...['.pgpass', '.env', '.kube/config', 'a.pem', '.netrc', '.git-credentials'].map((name) =>
        bytes(`root/${name}`, many(name === 'a.pem' ? '-----BEGIN ' : '://a:b:SECRET_ \t\n')),
      ),
      bytes('bin/busybox', Buffer.concat([busybox(), many('ab\0')]), { mode: 0o755 }),
    ],
  });
  expect(found.map(({ rule }) => rule)).toContain('kernel.no-overlay');
});

test('a check can be cancelled', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(lintChanged({ signal })).rejects.toThrow('enough');
});
