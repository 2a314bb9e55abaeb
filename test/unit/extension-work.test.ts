import { describe, expect, test } from 'vitest';
import type { DiskInfo, ImageCopyInfo } from '../../backend/api/node.ts';
import type { PortInfo } from '../../backend/api/port.ts';
import { explain } from '../../backend/nodes/explain/explain.ts';
import { copyLoss, copyRow, diskRow } from '../../extension/nodes/disks/disk-rows.ts';
import { copyInTheWay } from '../../extension/nodes/disks/no-room.ts';
import { parsePorts, portRow } from '../../extension/nodes/ports/port-text.ts';
import { rangeProblem, speedProblem } from '../../extension/nodes/replay-text.ts';
import { pingSummary, summary } from '../../extension/nodes/run-text.ts';
import { snapshotNameProblem, snapshotRow } from '../../extension/nodes/snapshots/snapshot-text.ts';
import { boot, noRoom } from './explain/support.ts';

const disk: DiskInfo = {
  name: 'disk_0',
  state: 'attached',
  template: 'ext4',
  bytes: 32e9,
  usedBytes: 1.25e6,
  holdsData: true,
};

describe('disks in a list', () => {
  test('size, template and state stand beside the name', () => {
    expect(diskRow(disk)).toEqual({
      label: 'disk_0',
      description: '32 GB · ext4 · in use',
      detail: 'takes 1.3 MB here · holds data',
      removable: false,
    });
  });

  test('those that the setting does not ask for can be removed', () => {
    for (const state of ['orphan', 'replaced'] as const) {
      expect(diskRow({ ...disk, state, template: null }).removable).toBe(true);
    }
  });
});

describe('copies of images in a list', () => {
  const now = Date.parse('2026-11-21T08:00:00Z');
  const copy: ImageCopyInfo = {
    id: '0123456789ab'.padEnd(64, 'c'),
    name: '0123456789ab',
    image: 'mine',
    partition: 'sda1',
    state: 'complete',
    isPersistent: true,
    imageBytes: 36e6,
    diffBytes: 2e6,
    localBytes: 0,
    lastBoot: '2026-11-21T07:58:00Z',
    removed: false,
  };

  test('image, place, last boot and sizes', () => {
    expect(copyRow(copy, now)).toEqual({
      label: 'mine',
      description: '0123456789ab · sda1 · complete · booted 2 min ago',
      detail: 'image 36 MB · 2.0 MB written and kept · 0 B in /local',
      removable: true,
    });
  });

  test('what network-persistent boots keep has no image beside it', () => {
    const kept = { ...copy, name: 'network-0123456789ab', partition: 'network', imageBytes: 0 };
    expect(copyRow(kept, now)).toMatchObject({
      description: '0123456789ab · network-persistent · kept · booted 2 min ago',
      detail: '2.0 MB written and kept',
    });
    expect(copyLoss(kept)).toMatch(
      /2\.0 MB written and kept\)\. .* boots next with boot\.mode=network-persistent\.$/,
    );
  });

  test('one that is let go is not let go again; one without an image is known by its id', () => {
    const gone = { ...copy, image: null, removed: true, lastBoot: null, isPersistent: false };
    expect(copyRow(gone, now)).toMatchObject({
      label: '0123456789ab',
      description: '0123456789ab · sda1 · removed at the next boot · not booted yet',
      removable: false,
    });
    expect(copyLoss(gone)).toMatch(/^It holds no data/);
    expect(copyLoss(copy)).toContain('2.0 MB written and kept');
  });

  test('the copy that a failed boot names is found, and no other words are', () => {
    const { sentence } = explain(boot(noRoom));
    expect(copyInTheWay(`Failed: node n1 did not boot. ${sentence}`)).toBe('0123456789ab');
    expect(copyInTheWay('No room on sda1.')).toBeUndefined();
    expect(copyInTheWay('Failed: the copy of image 0123456789ab holds data')).toBeUndefined();
  });
});

describe('snapshots', () => {
  test('age, image and size stand beside the name', () => {
    const snapshot = { name: 's', createdAt: '2026-11-21T07:00:00Z', image: 'tiny', bytes: 2e8, ram: '512M' };
    expect(snapshotRow({ ...snapshot, disks: 'none' }, Date.parse('2026-11-21T08:00:00Z'))).toEqual({
      label: 's',
      description: '1 h ago · tiny · 200 MB',
      detail: expect.stringMatching(/^saved 2026-11-2\d \d\d:00:00 · ram 512M · disks none$/),
    });
  });

  test.each([
    ['', /^$/],
    ['a.b_c-1', /^$/],
    ['-a', /starts with a letter or digit/],
    ['a@b', /starts with a letter or digit/],
    ['x'.repeat(65), /up to 64/],
    ['taken', /"taken" of this node already/],
  ])('the name %j', (name, sentence) => {
    expect(snapshotNameProblem(name, ['taken']) ?? '').toMatch(sentence);
  });
});

describe('exposed ports', () => {
  test.each([
    ['80', { nodePort: 80, hostPort: 0 }],
    [' 80:8080 ', { nodePort: 80, hostPort: 8080 }],
    ['', undefined],
    ['0', undefined],
    ['80:', undefined],
    ['65536', undefined],
    ['80:65536', undefined],
    ['eighty', undefined],
  ])('%j', (text, ports) => {
    expect(parsePorts(text)).toEqual(ports);
  });

  test('who opened one, and why it is closed', () => {
    const port: PortInfo = {
      node: 'vnode1',
      nodePort: 80,
      hostPort: 8080,
      address: '::1',
      permanent: false,
      state: 'open',
      reason: null,
    };
    expect(portRow(port, true)).toEqual({
      label: 'vnode1:80',
      description: '[::1]:8080',
      detail: 'opened by this window',
    });
    expect(portRow(port, false).detail).toBe('opened by a command');
    const closed = { ...port, permanent: true, state: 'closed' as const, reason: 'It is taken.' };
    expect(portRow(closed, false).detail).toBe('closed: It is taken.');
  });
});

describe('how a command went', () => {
  test.each([
    [[['a', 0]], 'a: exit code 0'],
    [[['a', 3]], 'a: exit code 3'],
    [
      [
        ['a', 0],
        ['b', 0],
      ],
      '2 nodes: exit code 0',
    ],
    [
      [
        ['a', 0],
        ['b', 3],
        ['c', 1],
      ],
      '1 of 3 nodes: exit code 0; b: exit code 3, c: exit code 1',
    ],
  ] satisfies [[string, number][], string][])('%j', (codes, text) => {
    expect(summary(codes)).toBe(text);
  });
});

describe('who answers', () => {
  test.each([
    [[['a', 0]], 'a answers'],
    [[['a', 1]], 'a does not answer'],
    [
      [
        ['a', 0],
        ['b', 0],
      ],
      '2 nodes answer',
    ],
    [
      [
        ['a', 0],
        ['b', 1],
        ['c', 1],
      ],
      '1 of 3 nodes answer; b, c do not',
    ],
    [
      [
        ['a', 0],
        ['b', 130],
      ],
      'stopped',
    ],
  ] satisfies [[string, number][], string][])('%j', (codes, text) => {
    expect(pingSummary(codes)).toBe(text);
  });
});

describe('what is replayed', () => {
  test('ranges and speeds are those of the command line', () => {
    for (const range of ['full', '-5m:', ':-1h', '-2h:-30m']) expect(rangeProblem(range)).toBeUndefined();
    expect(rangeProblem('5m')).toContain("'5m' is no range");
    expect(rangeProblem('-5m:-10m')).toContain('ends before it begins');
    for (const speed of ['1', '0.5', '1000000']) expect(speedProblem(speed)).toBeUndefined();
    for (const speed of ['', '0', '0.001', '1000001', 'fast', '1e3'])
      expect(speedProblem(speed)).toContain('0.01 to 1000000');
  });
});
