import { beforeEach, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../backend/api/client.ts';
import type { Params } from '../../backend/api/contract.ts';
import { imageFileHandlers } from '../../backend/api/image-file-handlers.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { ImageFiles } from '../../backend/images/files/image-files.ts';
import type { ImageStore } from '../../backend/images/store.ts';
import { ImageEditor } from '../../backend/nodes/image-editor.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import { node } from '../support/api-lab.ts';
import { client, errorOf, frame, greeting, raw, serve } from '../support/api-server.ts';
import { importLayers } from '../unit/images/nasty.ts';
import { newStore } from '../unit/images/store-support.ts';
import { file, folder, hardlink, link, tarOf } from '../unit/images/support.ts';

const COPY = 'box:edit';
const LAYER = tarOf([
  folder('etc'),
  file('etc/motd', 'welcome\nto the box\n'),
  hardlink('etc/other', 'etc/motd'),
  link('etc/link', 'motd'),
  { ...file('etc/caf', 'odd'), path: 'etc/caf\xe9', encoding: 'latin1' as const },
  file('etc/100%41', 'percent'),
]);

let store: ImageStore;
let home: string;
let lab: ApiClient;
let nodes: NodeInfo[];
let told: number;
/** what the daemon makes of the last search */
let searched: Promise<unknown>;

/** A daemon's socket, with a store behind it. */
beforeEach(async () => {
  ({ store, home } = newStore());
  nodes = [];
  told = 0;
  const reboot = (names: string[]): Promise<number> => Promise.resolve(names.length);
  const operations = new ImageOperations({ images: store, nodes: () => nodes, reboot });
  const files = new ImageFiles(store);
  const search: ImageFiles['search'] = async (...asked) => {
    const searching = files.search(...asked);
    searched = searching;
    return await searching;
  };
  const handlers = imageFileHandlers({
    files: {
      stat: (...asked) => files.stat(...asked),
      list: (...asked) => files.list(...asked),
      read: (...asked) => files.read(...asked),
      search,
      close: () => files.close(),
    },
    editor: new ImageEditor(store, operations),
    info: (image) =>
      Promise.resolve({ ...image, layers: image.layers.length, ownBytes: 0, inUse: false, nodes: [] }),
    imagesChanged: () => void told++,
  });
  await serve(handlers);
  lab = await client();
  await importLayers(store, home, [LAYER], 'box');
});

const text = async (image: string, path: string): Promise<string> => {
  const { data } = await lab.call('image.readFile', { image, path });
  return Buffer.from(data, 'base64').toString();
};
type Edit = Params<'image.editFile'>['edit'];
const write = (path: string, words: string | Buffer): Edit => ({
  ...{ do: 'write', path, data: Buffer.from(words).toString('base64') },
});
const edit = (change: Edit, force = false) =>
  lab.call('image.editFile', { image: COPY, edit: change, force });

describe('an image', () => {
  test('is listed in pages, and read by the names that the listing has', async () => {
    const names: string[] = [];
    for (let from: number | null = 0; from !== null;) {
      const asked = { image: 'box', path: '/etc', from, limit: 2 };
      const page: { files: { name: string }[]; next: number | null } = await lab.call('image.files', asked);
      expect(page.files.length).toBeLessThanOrEqual(2);
      names.push(...page.files.map(({ name }) => name));
      from = page.next;
    }
    expect(names).toEqual(['100%2541', 'caf%E9', 'link', 'motd', 'other']);
    const words = await Promise.all(names.map((name) => text('box', `/etc/${name}`)));
    expect(words).toEqual(['percent', 'odd', ...Array.from({ length: 3 }, () => 'welcome\nto the box\n')]);
    const { file: itself } = await lab.call('image.file', { image: 'box', path: '/etc/link' });
    expect(itself).toMatchObject({ type: 'symlink', target: 'motd', leadsTo: 'file' });
  });

  test('gives pieces of a file with the size of the whole', async () => {
    const asked = { image: 'box', path: '/etc/motd', offset: 8, length: 2 };
    expect(await lab.call('image.readFile', asked)).toEqual({
      ...{ id: store.get('box')?.id, size: 19, data: Buffer.from('to').toString('base64') },
    });
    expect(await lab.call('image.readFile', { ...asked, offset: 99 })).toMatchObject({ data: '' });
  });

  test('is searched, with progress', async () => {
    const heard: string[] = [];
    const asked = { image: 'box', path: '/', text: 'THE BOX', in: 'contents' as const };
    const onProgress = ({ message }: { message: string }): void => void heard.push(message);
    const { matches } = await lab.call('image.searchFiles', asked, { onProgress });
    expect(matches).toEqual([{ path: '/etc/motd', line: 2, column: 3, preview: 'to the box' }]);
    expect(heard[0]).toMatch(/^\d+ found; \d+ files looked at$/);
  });

  test('a search that is cancelled, or whose client goes, ends in the daemon', async () => {
    const content = Buffer.alloc(16 << 20, 'a line\n');
    await importLayers(
      store,
      home,
      [tarOf(['a', 'b'].map((name) => ({ ...file(name, ''), content })))],
      'big',
    );
    const asked = { image: 'big', path: '/', text: 'nowhere', in: 'contents' as const };
    const caller = new AbortController();
    const options = { signal: caller.signal, onProgress: () => caller.abort() };
    expect((await errorOf(lab.call('image.searchFiles', asked, options))).code).toBe('call.cancelled');
    await expect(searched).rejects.toThrow();
    const going = await client();
    const search = going.call('image.searchFiles', asked, { onProgress: () => going.dispose() });
    expect((await errorOf(search)).code).toBe('api.closed');
    await expect(searched).rejects.toThrow();
  });
});

describe('a working copy', () => {
  test('is made, edited, and saved as one layer; images are told of each time', async () => {
    const copy = await lab.call('image.edit', { image: 'box' });
    expect(copy).toEqual({ name: COPY, base: 'box', isChanged: false, isStale: false });
    expect(await edit(write('/etc/motd', 'edited'))).toMatchObject({ changed: true, image: { name: COPY } });
    await edit({ do: 'makeFolder', path: '/new' });
    await edit({ do: 'copy', from: '/etc/motd', path: '/new/copy' });
    await edit({ do: 'rename', from: '/new/copy', path: '/new/%E9' });
    await edit({ do: 'remove', path: '/etc/link' });
    expect(told).toBe(6);
    const saved = await lab.call('image.saveEdits', { image: COPY });
    expect(saved).toMatchObject({ changed: true, image: { name: 'box', layers: 2 }, rebooted: [] });
    expect(await text('box', '/etc/other')).toBe('edited');
    expect(await text('box', '/new/%E9')).toBe('edited');
    expect(await lab.call('image.saveEdits', { image: COPY })).toMatchObject({ changed: false });
    expect(told).toBe(7);
    const as = { image: COPY, as: 'other' };
    expect(await lab.call('image.saveEdits', as)).toMatchObject({ image: { name: 'other' } });
    expect((await errorOf(lab.call('image.saveEdits', as))).code).toBe('image.exists');
  });

  test('on which a node runs is changed with consent', async () => {
    await lab.call('image.edit', { image: 'box' });
    nodes = [{ ...node('vnode1'), state: 'booted', image: COPY }];
    const error = await errorOf(edit(write('/x', 'y')));
    expect(error.code).toBe('image.wouldReboot');
    expect(error.message).toContain('would reboot 1 node');
    expect(await edit(write('/x', 'y'), true)).toMatchObject({ rebooted: ['vnode1'] });
  });

  test('takes files of 24 MB, and none that are larger', async () => {
    await lab.call('image.edit', { image: 'box' });
    const content = Buffer.alloc(24_000_000, 'twenty-four megabytes\n');
    await edit(write('/large', content));
    const length = 4 << 20;
    const at = { image: COPY, path: '/large', offset: 5 * length, length };
    const { size, data } = await lab.call('image.readFile', at);
    expect([size, Buffer.from(data, 'base64').equals(content.subarray(5 * length))]).toEqual([
      24_000_000,
      true,
    ]);
    const larger = write('/larger', Buffer.concat([content, Buffer.alloc(1)]));
    expect((await errorOf(edit(larger))).code).toBe('api.params');
  });

  test('an edit that is cancelled has not been done, and the next one is', async () => {
    await lab.call('image.edit', { image: 'box' });
    const before = store.get(COPY)?.id;
    const caller = new AbortController();
    const asked = { image: COPY, edit: write('/large', Buffer.alloc(16 << 20)) };
    const editing = errorOf(lab.call('image.editFile', asked, { signal: caller.signal }));
    caller.abort();
    expect((await editing).code).toBe('call.cancelled');
    await edit(write('/etc/motd', 'next'));
    await expect(text(COPY, '/large')).rejects.toMatchObject({ code: 'file.missing' });
    expect(store.get(COPY)?.id).not.toBe(before);
  });
});

describe('what is refused', () => {
  const box = { image: 'box', path: '/etc' };
  test.each([
    ['image.file', { ...box, path: 'etc' }],
    ['image.file', { path: '/etc' }],
    ['image.files', { ...box, limit: 0 }],
    ['image.files', { ...box, limit: 2001 }],
    ['image.files', { ...box, from: -1 }],
    ['image.readFile', { ...box, offset: 0.5 }],
    ['image.readFile', { ...box, length: (4 << 20) + 1 }],
    ['image.searchFiles', { ...box, text: '', in: 'names' }],
    ['image.searchFiles', { ...box, text: 'x'.repeat(1001), in: 'names' }],
    ['image.searchFiles', { ...box, text: 'x', in: 'bytes' }],
    ['image.edit', { image: 7 }],
    ['image.editFile', { image: COPY, edit: { do: 'chmod', path: '/etc' } }],
    ['image.editFile', { image: COPY, edit: { do: 'write', path: '/x', data: 'no base64!' } }],
    ['image.editFile', { image: COPY, edit: { do: 'rename', from: 'etc', path: '/x' } }],
    ['image.saveEdits', { image: COPY, as: null }],
  ])('%s: wrong parameters (%#)', async (method, params) => {
    const answer = await answerTo(method, params);
    expect(answer).toContain('"api.params"');
    expect(answer).toContain(`Wrong parameters for ${method}: `);
  });

  test.each([
    ['image.file', { ...box, path: '/no' }, 'file.missing'],
    ['image.file', { ...box, path: '/etc/../etc' }, 'file.missing'],
    ['image.file', { ...box, path: '/%00' }, 'file.badPath'],
    ['image.files', { ...box, image: 'none' }, 'image.unknown'],
    ['image.files', { ...box, path: '/etc/motd' }, 'file.notFolder'],
    ['image.readFile', box, 'file.isFolder'],
    ['image.searchFiles', { ...box, path: '/no', text: 'x', in: 'names' }, 'file.missing'],
    ['image.edit', { image: 'none' }, 'image.unknown'],
    ['image.editFile', { image: 'box', edit: { do: 'remove', path: '/etc' } }, 'image.noWorkingCopy'],
    ['image.saveEdits', { image: 'box' }, 'image.noWorkingCopy'],
  ])('%s with %j: %s', async (method, params, code) => {
    expect(await answerTo(method, params)).toContain(`"${code}"`);
  });
});

/** The daemon's answer to what no client of ours would send. */
async function answerTo(method: string, params: unknown): Promise<string> {
  const socket = await raw();
  let heard = '';
  socket.setEncoding('utf8').on('data', (data: string) => (heard += data));
  socket.write(frame(greeting()));
  socket.write(frame({ jsonrpc: '2.0', id: 2, method, params }));
  await expect.poll(() => heard).toContain('"id":2');
  return heard;
}
