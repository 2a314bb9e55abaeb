import { describe, expect, test } from 'vitest';
import type { DiskInfo } from '../../backend/api/node.ts';
import type { PortInfo } from '../../backend/api/port.ts';
import { diskRow } from '../../extension/nodes/disk-rows.ts';
import { parsePorts, portRow } from '../../extension/nodes/ports/port-text.ts';
import { summary } from '../../extension/nodes/run-text.ts';

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

  test('what a daemon says beyond that is told as it is', () => {
    const further = { ...disk, holdsData: false, lastBoot: 'today', copies: [{}, {}], none: null, deep: {} };
    expect(diskRow(further).detail).toBe('takes 1.3 MB here · empty · last boot today · 2 copies');
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
