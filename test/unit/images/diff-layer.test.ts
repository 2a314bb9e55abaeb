import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diffLayer, type NodeXattrs } from '../../../backend/images/diff-layer.ts';
import { decodeXattrs } from '../../../backend/images/tree/layer-index.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { file, folder, hardlink, tarOf, testFolder, treeOf } from './support.ts';

type Names = Record<string, string>;
const CAP = 'security.capability';
const attributes = (names: Names): Map<string, Buffer> =>
  new Map(Object.entries(names).map(([name, value]) => [name, Buffer.from(value)]));
const told = (found: Record<string, Names>, seesImage = true): NodeXattrs => ({
  seesImage,
  found: new Map(Object.entries(found).map(([path, names]) => [path, attributes(names)])),
});

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

/** What a node's dump changes of an image: the paths in the new layer with their attributes. */
async function diff(
  image: TarEntry[],
  dump: TarEntry[],
  xattrs: NodeXattrs,
  { below, injected = [] }: { below?: string; injected?: string[] } = {},
) {
  const staging = new ImageStore(join(testFolder(), 'store')).staging({
    progress: () => undefined,
    signal: new AbortController().signal,
  });
  const parts = {
    xattrs,
    injected,
    base: treeOf([image]),
    isExcluded: () => false,
    ...(below ? { below } : {}),
  };
  try {
    const staged = await staging.indexed(await staging.write(once(tarOf(dump))), { needsEnd: true });
    const { changes, layer } = await diffLayer({ ...parts, dump: staged }, staging);
    const entries = Array.from({ length: layer?.index.count ?? 0 }, (_, at): [string, Names] => {
      const { xattrs: all = new Uint8Array(), xattrEnd = [] } = layer?.index.arrays ?? {};
      const own = decodeXattrs(all.subarray(xattrEnd[at], xattrEnd[at + 1]));
      return [layer?.index.path(at) ?? '', Object.fromEntries([...own].map(([k, v]) => [k, v.toString()]))];
    });
    expect(changes.map(({ path }) => path.slice(1)).sort()).toEqual(entries.map(([path]) => path).sort());
    return Object.fromEntries(entries);
  } finally {
    staging.dispose();
  }
}

const image = [
  folder('etc', 0o755, { xattrs: attributes({ 'user.d': '1' }) }),
  file('etc/ping', 'ping', { xattrs: attributes({ [CAP]: 'cap', 'user.a': 'x' }) }),
  file('etc/odd', 'odd', { xattrs: attributes({ 'security.selinux': 'label', 'trusted.overlay.x': 'y' }) }),
];
const ALL = { etc: { 'user.d': '1' }, 'etc/ping': { [CAP]: 'cap', 'user.a': 'x' } };
const plain = [folder('etc'), file('etc/ping', 'ping'), file('etc/odd', 'odd')];

test('a node that sees the attributes of its image: any other is a change', async () => {
  expect(await diff(image, plain, told(ALL))).toEqual({});
  expect(await diff(image, plain, told({ etc: ALL.etc, 'etc/ping': { 'user.a': 'x' } }))).toEqual({
    'etc/ping': { 'user.a': 'x' },
  });
  expect(await diff(image, plain, told({ ...ALL, 'etc/odd': { 'user.new': '\0\n=' } }))).toEqual({
    'etc/odd': { 'user.new': '\0\n=' },
  });
  expect(await diff(image, plain, told({ 'etc/ping': ALL['etc/ping'] }))).toEqual({ etc: {} });
});

test('injected files hide the attributes of their folders, which stay', async () => {
  const linked = [...image, { path: 'way', type: 'symlink', mode: 0o777, target: 'etc' } as const];
  const lost = told({ 'etc/ping': ALL['etc/ping'] });
  expect(await diff(linked, plain, lost, { injected: ['way/hosts'] })).toEqual({});
  const changed = [folder('etc', 0o700)];
  expect(await diff(linked, changed, lost, { injected: ['way/hosts'] })).toEqual({ etc: ALL.etc });
});

test('a node that does not see them: their absence is none, and they stay', async () => {
  expect(await diff(image, plain, told({}, false))).toEqual({});
  expect(await diff(image, plain, told({ 'etc/ping': { 'user.a': 'y' } }, false))).toEqual({
    'etc/ping': { [CAP]: 'cap', 'user.a': 'y' },
  });
  const changed = [folder('etc'), file('etc/ping', 'ping', { mode: 0o700 })];
  expect(await diff(image, changed, told({}, false))).toEqual({ 'etc/ping': ALL['etc/ping'] });
});

test.each([
  ['written to', { content: Buffer.from('pong') }],
  ['longer', { content: Buffer.from('ping!') }],
  ['of another owner', { uid: 7 }],
])('but a file that is %s has lost its capability', async (_, change) => {
  const dump = [file('etc/ping', 'ping', change)];
  expect(await diff(image, dump, told({}, false))).toEqual({ 'etc/ping': { 'user.a': 'x' } });
});

test('a new file has those of the node; attributes in the tar itself do not count', async () => {
  const hostile = file('new', 'x', { xattrs: attributes({ 'trusted.overlay.redirect': '/etc' }) });
  const dump = [hostile, hardlink('other', 'new')];
  const found = { new: { [CAP]: 'c' }, other: { [CAP]: 'c' } };
  expect(await diff(image, dump, told(found))).toMatchObject({ new: { [CAP]: 'c' } });
  expect(await diff(image, [hostile], told({}))).toEqual({ new: {} });
});

test('a path that is put into the image has those of the node', async () => {
  const dump = [folder('tool'), file('tool/it', 'x')];
  const made = await diff(image, dump, told({ 'tool/it': { 'user.b': '2' } }), { below: 'opt' });
  expect(made).toEqual({ 'opt/tool': {}, 'opt/tool/it': { 'user.b': '2' } });
});
