import { describe, expect, test } from 'vitest';
import type { ImageInfo } from '../../backend/api/image.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { explain } from '../../backend/nodes/explain/explain.ts';
import {
  bytes,
  imageNameFor,
  imageNameProblem,
  imageRow,
  imageTooltip,
} from '../../extension/images/image-row.ts';
import { freeNodeName, nameList, nodeNameProblem } from '../../extension/nodes/node-names.ts';
import { ago, contextValue, nodeRow, nodeTooltip, tooltipCommands } from '../../extension/nodes/node-row.ts';
import { timelineText } from '../../extension/timeline/timeline-text.ts';
import { escapeMarkdown } from '../../extension/ui/markdown.ts';
import { boot, noRoom } from './explain/support.ts';

const NOW = Date.parse('2026-11-21T08:00:00Z');

function node(changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name: 'vnode1',
    mac: '52:54:00:00:00:01',
    ip: '192.168.152.10',
    model: 'pc-x86-64',
    image: 'pc-x86-64-tiny',
    state: 'booted',
    reason: null,
    stage: null,
    bootStartedAt: '2026-11-21T07:55:00Z',
    bootedAt: '2026-11-21T07:56:00Z',
    settings: { ram: '512M', 'cpu.cores': 1 },
    ...changes,
  };
}

function image(changes: Partial<ImageInfo> = {}): ImageInfo {
  return {
    name: 'tiny',
    id: 'ab'.repeat(32),
    labels: { 'walt.node.models': 'pc-x86-64' },
    sizeBytes: 23_400_000,
    ownBytes: 23_400_000,
    created: '2026-11-20T08:00:00Z',
    inUse: false,
    nodes: [],
    layers: 2,
    models: ['pc-x86-64'],
    ...changes,
  };
}

describe('node rows', () => {
  test('a booted node shows image and address', () => {
    expect(nodeRow(node())).toMatchObject({
      label: 'vnode1',
      description: 'pc-x86-64-tiny · 192.168.152.10',
      icon: 'vm-running',
      contextValue: 'node+booted+on',
      accessibleLabel: 'vnode1, booted, image pc-x86-64-tiny, address 192.168.152.10',
    });
  });

  test('a booting node shows its stage', () => {
    expect(nodeRow(node({ state: 'booting', stage: 'dhcp', bootedAt: null }))).toMatchObject({
      description: 'dhcp · pc-x86-64-tiny · 192.168.152.10',
      accessibleLabel: expect.stringContaining('booting, stage dhcp'),
    });
  });

  test('what a boot waits for or copies comes first in its row', () => {
    const reason = 'Copying image: 3.0 MB of 36.0 MB, 4 s left, 120 of 900 files, 8.0 MB/s.';
    const row = nodeRow(node({ state: 'booting', stage: 'walt-init', reason }));
    expect(row.description).toMatch(/^Copying image: 3\.0 MB of .* 8\.0 MB\/s · pc-x86-64-tiny/);
    expect(row.accessibleLabel).toContain(`booting, stage walt-init: ${reason}`);
  });

  test('colour is never alone: each state has its own icon or text', () => {
    const states = ['off', 'booting', 'booted', 'unreachable', 'failed'] as const;
    const rows = states.map((state) => nodeRow(node({ state })));
    expect(new Set(rows.map((row) => row.icon)).size).toBe(states.length);
    expect(new Set(rows.map((row) => row.description)).size).toBe(states.length);
  });

  test('a screen reader hears why a node failed', () => {
    const row = nodeRow(node({ state: 'failed', reason: 'The kernel panicked.' }));
    expect(row.accessibleLabel).toContain('failed: The kernel panicked.');
  });

  test.each([
    ['off', 'node+off'],
    ['booting', 'node+booting+on'],
    ['failed', 'node+failed+on'],
  ] as const)('%s has the flags %s', (state, flags) =>
    expect(contextValue({ state, reason: null })).toBe(flags),
  );

  test('a node that an image copy keeps from booting offers to remove that, whoever began the boot', () => {
    const reason = explain(boot(noRoom)).sentence;
    const failed = node({ state: 'failed', reason });
    expect(contextValue(failed)).toBe('node+failed+on+noRoom');
    expect(nodeTooltip(failed, NOW)).toContain('[Remove Image Copy...](command:bootyard.node.makeRoom?');
    const booted = node({ state: 'booted', reason });
    expect(contextValue(booted)).toBe('node+booted+on');
    expect(nodeTooltip(booted, NOW)).not.toContain('makeRoom');
  });
});

describe('node tooltips', () => {
  test('facts, age and links', () => {
    const text = nodeTooltip(node(), NOW);
    expect(text).toContain('| MAC | 52:54:00:00:00:01 |');
    expect(text).toContain('1 core, 512M');
    expect(text).toContain('4 min ago');
    expect(text).toContain('[Shell](command:bootyard.node.shell?%5B%22vnode1%22%5D)');
  });

  test('a node that is not booted offers no shell', () => {
    expect(nodeTooltip(node({ state: 'failed' }), NOW)).not.toContain('node.shell');
  });

  test('names and reasons cannot make links, icons or table cells', () => {
    const text = nodeTooltip(
      node({ state: 'failed', reason: '[x](command:evil) | $(bug) <img src=x>' }),
      NOW,
    );
    expect(text).not.toContain('](command:evil');
    expect(text).not.toContain('<img');
    expect(text).toContain('\\| \\$\\(bug\\)');
    expect(tooltipCommands.every((command) => command.startsWith('bootyard.node.'))).toBe(true);
  });

  test.each([
    [-5, '0 s ago'],
    [59_400, '59 s ago'],
    [3_599_000, '59 min ago'],
    [7_300_000, '2 h ago'],
    [200_000_000, '2 d ago'],
  ])('%i ms is %s', (milliseconds, text) => expect(ago(milliseconds)).toBe(text));

  test('Markdown is escaped in one line', () => {
    expect(escapeMarkdown('a*b\n`c`')).toBe('a\\*b \\`c\\`');
  });
});

describe('image rows', () => {
  test('size, layers, users', () => {
    expect(imageRow(image()).description).toBe('23 MB');
    expect(imageRow(image({ inUse: true, nodes: ['a'], layers: 1 }))).toMatchObject({
      description: '23 MB · used by 1 node',
      contextValue: 'image+inUse',
    });
  });

  test('the tooltip has labels and a short id', () => {
    const text = imageTooltip(image(), NOW);
    expect(text).toContain('| walt\\.node\\.models | pc\\-x86\\-64 |');
    expect(text).toContain('| Id | abababababab |');
    expect(text).toContain('1 d ago');
    expect(imageTooltip(image({ created: 'never' }), NOW)).not.toContain('Created');
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_960_000, '10.0 MB'],
    [1_500_000_000, '1.5 GB'],
  ])('%i bytes are %s', (count, text) => expect(bytes(count)).toBe(text));

  test('names by WalT’s rule', () => {
    for (const name of ['a', 'pc-x86-64-tiny', 'a:2']) expect(imageNameProblem(name)).toBeUndefined();
    for (const name of ['', 'A', 'a b', 'a:b:c', 'default', 'a/b'])
      expect(imageNameProblem(name)).toMatch(/\.$/);
  });

  test('a name is proposed from a file', () => {
    expect(imageNameFor('/tmp/My Image_2.tar.gz')).toBe('my-image-2');
    expect(imageNameFor('/srv/layout/')).toBe('layout');
    expect(imageNameProblem(imageNameFor('/tmp/--X.TAR'))).toBeUndefined();
  });
});

describe('names and settings', () => {
  test('the first free name is proposed', () => {
    expect(freeNodeName([])).toBe('vnode1');
    expect(freeNodeName(['vnode1', 'vnode3'])).toBe('vnode2');
  });

  test('bad names get a sentence', () => {
    expect(nodeNameProblem('vnode1', [])).toBeUndefined();
    for (const name of ['', '1a', 'a b', 'a_b', 'a']) expect(nodeNameProblem(name, [])).toMatch(/\.$/);
    expect(nodeNameProblem('vnode1', ['vnode1'])).toBe('There is a node "vnode1" already.');
  });

  test('name lists stay short', () => {
    const names = ['a', 'b', 'c'].map((name) => ({ name }));
    expect(nameList(names.slice(0, 1))).toBe('a');
    expect(nameList(names.slice(0, 2))).toBe('a and b');
    expect(nameList(names)).toBe('3 nodes');
  });
});

describe('timeline text', () => {
  const timeline = {
    node: 'vnode1',
    startedAt: '2026-11-21T07:55:00Z',
    outcome: 'booted',
    totalMs: 4000,
    stages: [
      { name: 'firmware', startMs: 0, durationMs: 1000, detail: '' },
      { name: 'kernel', startMs: 1000, durationMs: 3000, detail: 'http kernel; http initrd' },
    ],
  };

  test('bars are to scale', () => {
    const [title, , , first, second] = timelineText(timeline).split('\n');
    expect(title).toBe('Boot of vnode1, 2026-11-21T07:55:00Z: booted, 4.00 s');
    expect(first?.match(/█+/)?.[0]).toHaveLength(10);
    expect(second?.match(/█+/)?.[0]).toHaveLength(30);
    expect(second).toMatch(/^kernel\s+1\.00 s\s+3\.00 s\s+█+$/);
  });

  test('what happened in a stage follows, a line for each event', () => {
    expect(timelineText(timeline)).toMatch(/\n\nkernel {4}http kernel\n {10}http initrd\n$/);
  });

  test('an empty boot is no division by zero', () => {
    const text = timelineText({ ...timeline, totalMs: 0 });
    expect(text).not.toMatch(/NaN|Infinity/);
  });
});
