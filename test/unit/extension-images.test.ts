import { describe, expect, test } from 'vitest';
import type { Finding, ImageInfo } from '../../backend/api/image.ts';
import {
  buildsImage,
  dockerfileOf,
  insertionLine,
  lineOf,
} from '../../extension/images/dockerfile-places.ts';
import { arrange, bootableImages, engineImages } from '../../extension/images/image-groups.ts';
import { imageRow, imageTooltip } from '../../extension/images/image-row.ts';

function image(name: string, changes: Partial<ImageInfo> = {}): ImageInfo {
  return {
    name,
    id: 'ab'.repeat(32),
    labels: { 'walt.node.models': 'pc-x86-64' },
    sizeBytes: 1000,
    ownBytes: 400,
    created: '2026-11-20T08:00:00Z',
    inUse: false,
    nodes: [],
    layers: 2,
    models: ['pc-x86-64'],
    ...changes,
  };
}
const clean = { errors: 0, warnings: 0, infos: 3 };
const bad = { errors: 1, warnings: 2, infos: 0 };

describe('groups of images', () => {
  const images = [
    image('box', { created: '2026-11-21T08:00:00Z', lint: clean }),
    image('pc-x86-64-tiny', { inUse: true, nodes: ['a'] }),
    image('router', { origin: 'lab:anna/router', sizeBytes: 9000 }),
    image('sensor', { sizeBytes: 5000, lint: bad, labels: { colour: 'Blue' } }),
  ];
  const shown = (filter: string, order: 'name' | 'created' | 'size' = 'name') =>
    arrange(images, { filter, order }).map(({ source, images: names }) => [source.id, ...names]);

  test('by source, without those that have none', () => {
    expect(shown('')).toEqual([
      ['default', 'pc-x86-64-tiny'],
      ['registry', 'router'],
      ['own', 'box', 'sensor'],
    ]);
    expect(arrange([], { filter: '', order: 'name' })).toEqual([]);
  });
  test('with those of engines, by the links that clone them', () => {
    const labels = { 'walt.node.models': 'pc-x86-64, qemu-arm-64' };
    const made = { id: 'cd', names: ['router', 'me/router:2'], labels, created: '', sizeBytes: 7 };
    const engine = { version: '5', address: '', state: 'connected' as const, reason: null, images: [made] };
    const others = engineImages([{ ...engine, name: 'podman-2', kind: 'podman' }]);
    expect(arrange([...images, ...others], { filter: 'router', order: 'name' })).toMatchObject([
      { source: { id: 'registry' }, images: ['router'] },
      { source: { id: 'podman' }, images: ['podman-2:router', 'podman-2:me/router:2'] },
    ]);
    expect(others[0]).toMatchObject({ models: ['pc-x86-64', 'qemu-arm-64'], sizeBytes: 7 });
    expect(others.map((one) => imageRow(one).contextValue)).toEqual(['engineImage', 'engineImage']);
  });
  test('those that can be booted: one of the store hides an engine’s link of its name', () => {
    const made = { id: 'cd', names: ['1', 'box'], labels: {}, created: '', sizeBytes: 7 };
    const engine = { version: '5', address: '', state: 'connected' as const, reason: null, images: [made] };
    const own = image('docker:1');
    const all = bootableImages([own], [{ ...engine, name: 'docker', kind: 'docker' }]);
    expect(all.map(({ name, engine: from }) => [name, from])).toEqual([
      ['docker:1', undefined],
      ['docker:box', 'docker'],
    ]);
    expect(all[0]).toBe(own);
  });
  test('in an order', () => {
    expect(shown('', 'size').at(-1)).toEqual(['own', 'sensor', 'box']);
    expect(shown('', 'created').at(-1)).toEqual(['own', 'box', 'sensor']);
  });
  test.each([
    ['SENS', ['sensor']],
    ['anna', ['router']],
    ['colour=blue', ['sensor']],
    ['o r', ['router', 'sensor']],
    ['@used', ['pc-x86-64-tiny']],
    ['@problems', ['sensor']],
    ['@unused @problems pc-x86', ['sensor']],
    ['nothing', []],
  ])('filtered by %s', (filter, names) => {
    expect(shown(filter).flatMap(([, ...group]) => group)).toEqual(names);
  });
});

describe('what the check has found', () => {
  test('shows in words and colours, not for notes alone', () => {
    expect(imageRow(image('a', { lint: bad }))).toMatchObject({
      description: '1.0 kB · 1 error, 2 warnings',
      color: 'list.errorForeground',
    });
    expect(imageRow(image('a', { lint: { ...bad, errors: 0 } })).color).toBe('list.warningForeground');
    for (const lint of [clean, undefined]) {
      expect(imageRow(image('a', { lint }))).toMatchObject({ description: '1.0 kB', color: undefined });
    }
  });
  test('stands in the tooltip, the first of it, and does nothing there', () => {
    const finding: Finding = {
      rule: 'x',
      severity: 'error',
      path: '/',
      message: '[a](command:b)',
      fix: 'F.',
    };
    const text = imageTooltip(
      image('a', { lint: bad }),
      0,
      Array.from({ length: 7 }, () => finding),
    );
    expect(text).toContain('| Check | 1 error, 2 warnings |');
    expect(text).toContain('own 400 B, shared 600 B');
    expect(text.match(/\$\(error\)/g)).toHaveLength(5);
    expect(text).toContain('- and 2 more');
    expect(text).not.toContain('](command:');
    expect(imageTooltip(image('a'), 0)).toContain('| Check | not yet |');
  });
});

describe('findings in Dockerfiles', () => {
  const text = [
    'FROM debian AS build',
    'RUN make /etc/motd',
    'FROM pc-x86-64-default',
    'LABEL walt.node.models=pc-x86-64',
    'COPY start.ipxe /boot/pc-x86-64/start.ipxe',
    'RUN ln -s /x "/etc/some.d/link" && true',
    'CMD ["/sbin/init"]',
    '',
  ].join('\n');

  test.each([
    ['/boot/pc-x86-64/start.ipxe', 4],
    ['/etc/some.d/link', 5],
    ['/etc/some.d/link/below', 5],
    ['walt.node.models', 3],
    ['walt.node', 2],
    ['/etc/motd', 2],
    ['/sbin/init', 6],
    ['/boot/pc-x86-64/kernel', 2],
    ['/', 2],
  ])('%s stands in line %i', (path, line) => expect(lineOf(text, path)).toBe(line));

  test('in texts without a stage they stand at the top', () => expect(lineOf('', '/etc/x')).toBe(0));

  test('a fix comes before what the image runs, else at the end', () => {
    expect(insertionLine(text)).toBe(6);
    expect(insertionLine('FROM a\nRUN b\n\n')).toBe(2);
    expect(insertionLine('')).toBe(1);
    // A here-document has no instructions.
    expect(insertionLine('FROM a\nRUN <<E\nFROM b\nCMD c\nE\n')).toBe(5);
    expect(lineOf('FROM a\nRUN <<E\nFROM b\nE\n', '/etc/x')).toBe(0);
  });

  test.each([
    ['router', '/w/router/Dockerfile', 'FROM a', true],
    ['router', '/w/Router.Dockerfile', '', true],
    ['router', '/w/Dockerfile.router', '', true],
    ['router', '/w/other/Containerfile', '', false],
    ['router', '/w/router/Dockerfile', 'FROM a\nLABEL x=y walt.image.preferred-name="box"', false],
    ['box', '/w/router/Dockerfile', 'FROM a\nLABEL x=y walt.image.preferred-name="box"', true],
  ])('%s is built by %s: %j', (name, path, content, builds) => {
    expect(buildsImage(name, path, content)).toBe(builds);
  });

  test('what the build has recorded comes before names', () => {
    const named = { path: '/w/box/Dockerfile', text: 'FROM a' };
    const recorded = { path: '/w/other/Dockerfile', text: 'FROM a' };
    const files = [named, recorded];
    const builtFrom = { folder: '/w/other', dockerfile: recorded.path };
    expect(dockerfileOf(image('box'), files)).toBe(named);
    expect(dockerfileOf(image('box', { builtFrom }), files)).toBe(recorded);
    // Another Dockerfile of that name did not build it.
    expect(dockerfileOf(image('box', { builtFrom }), [named])).toBeUndefined();
  });
});
