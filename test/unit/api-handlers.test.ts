import { beforeEach, describe, expect, test } from 'vitest';
import type { CallContext } from '../../backend/api/contract.ts';
import { type HandlerParts, makeHandlers, type StoredImage } from '../../backend/api/handlers.ts';
import type { NodeActions } from '../../backend/api/node-handlers.ts';
import { LAB, node } from '../support/api-lab.ts';

const image = (name: string): StoredImage => ({
  name,
  id: 'a'.repeat(64),
  labels: {},
  sizeBytes: 1,
  created: '2025-01-02T03:04:05Z',
  layers: [
    { digest: 'base', size: 10 },
    { digest: name, size: 1 },
  ],
  models: ['pc-x86-64'],
});
const context: CallContext = {
  signal: new AbortController().signal,
  progress: () => {},
  openStream: () => {
    throw new Error('not part of this test');
  },
};
const unused = (): never => {
  throw new Error('not part of this test');
};

let removed: string[];
let changes: number;
let busy: string;
let handlers: ReturnType<typeof makeHandlers>;
beforeEach(() => {
  removed = [];
  changes = 0;
  busy = '';
  const nodes: NodeActions = {
    list: () => [{ ...node('vnode1'), image: 'used' }],
    create: unused,
    boot: unused,
    setImage: unused,
    reboot: unused,
    stop: unused,
    wait: unused,
    config: unused,
    rename: unused,
    losses: unused,
    remove: unused,
    boots: { ofNode: unused, timeline: unused, ofImage: unused, record: unused, explain: unused },
    console: unused,
    readConsole: unused,
    replay: unused,
    consoleText: unused,
    captures: { start: unused, stop: unused, list: unused, file: unused, packets: unused },
    cables: unused,
    diskList: unused,
    imageCopies: unused,
    removeDisk: unused,
    snapshots: { list: unused, save: unused, restore: unused, remove: unused, create: unused },
  };
  const parts: HandlerParts = {
    nodes,
    images: {
      list: () => ['used', 'free', 'spare'].map(image),
      unnamed: () => [image('')],
      transfer: unused,
      remove: (name) => void removed.push(name),
    },
    engines: { list: unused, listAll: unused },
    logs: {
      reader: { read: unused, count: unused },
      checkpoints: { list: unused, timeOf: unused, add: unused, remove: unused },
      retention: { info: unused, set: unused },
      streams: unused,
    },
    shells: { open: unused, hold: unused, diff: unused, save: unused },
    operations: {
      import: (params) => {
        params.warn?.('No.');
        return Promise.resolve({
          image: { ...image(params.name), layers: [], architecture: '', models: [] },
          outdated: ['n1'],
        });
      },
      checkIdle: (name) => {
        if (name === busy) throw new Error('is already running');
      },
      beginEdit: unused,
      holdEdit: unused,
      history: unused,
      usage: unused,
      collect: unused,
      duplicate: unused,
      rename: unused,
      squash: unused,
      label: unused,
      change: unused,
      replace: unused,
      bringIn: unused,
      export: unused,
      diff: unused,
    },
    copier: { copy: unused },
    fixer: { fix: unused },
    files: { stat: unused, list: unused, read: unused, search: unused, close: unused },
    editor: { open: unused, state: unused, edit: unused, save: unused },
    saver: { checkName: unused, diff: unused, save: unused, drop: unused, push: unused },
    contact: { ping: unused, blink: unused },
    linter: { lint: unused, known: () => undefined },
    bootTests: { begin: unused, cutOff: unused },
    debug: { kernel: unused, run: unused },
    reads: { ofBoot: unused, usage: unused },
    ports: { list: () => [], hold: unused, serve: unused },
    shellCommand: ({ node }) => ['ssh', node],
    status: () => LAB,
    exposeRegistry: () => {},
    shutdown: unused,
    imagesChanged: () => changes++,
  };
  handlers = makeHandlers(parts);
});

describe('image calls', () => {
  test('tell which nodes use an image, and count layers', async () => {
    const images = await handlers['image.list']({}, context);
    const told = images.map(({ name, inUse, nodes, layers, ownBytes }) => [
      ...[name, inUse, nodes, layers, ownBytes],
    ]);
    expect(told).toEqual([
      ['used', true, ['vnode1'], 2, 1],
      ['free', false, [], 2, 1],
      ['spare', false, [], 2, 1],
    ]);
    const all = await handlers['image.list']({ all: true }, context);
    expect(all.slice(3)).toMatchObject([{ name: '', inUse: true, nodes: [], ownBytes: 1 }]);
  });

  test('an image that is worked on is not removed', async () => {
    busy = 'spare';
    const request = { images: ['free', 'spare'] };
    await expect(handlers['image.remove'](request, context)).rejects.toThrow('is already running');
    expect(removed).toEqual([]);
  });

  test('list those that were named, or say which there is not', async () => {
    const images = await handlers['image.list']({ images: ['free'] }, context);
    expect(images.map(({ name }) => name)).toEqual(['free']);
    await expect(handlers['image.list']({ images: ['no'] }, context)).rejects.toMatchObject({
      code: 'image.unknown',
      message: "Error: No such image 'no'. (tip: bootyard image show)",
    });
  });

  test('remove all of the named images or none', async () => {
    await expect(handlers['image.remove']({ images: ['free', 'used'] }, context)).rejects.toThrow(
      'Sorry, cannot proceed because the image is in use.',
    );
    await expect(handlers['image.remove']({ images: ['free', 'no'] }, context)).rejects.toThrow(
      "No such image 'no'",
    );
    expect(removed).toEqual([]);
    expect(changes).toBe(0);
    await handlers['image.remove']({ images: ['free', 'spare', 'free'] }, context);
    expect(removed).toEqual(['free', 'spare']);
    expect(changes).toBe(1);
  });

  test('an import is told to who follows the images', async () => {
    const request = { path: '/x', name: 'new', labels: {}, force: false };
    expect(await handlers['image.import'](request, context)).toMatchObject({
      name: 'new',
      inUse: false,
      warnings: ['No.'],
      outdated: ['n1'],
    });
    expect(changes).toBe(1);
  });
});
