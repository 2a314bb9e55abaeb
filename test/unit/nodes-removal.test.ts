import { describe, expect, test } from 'vitest';
import {
  checkRemoval,
  removalLosses,
  type PersistUsage,
  type Removable,
} from '../../backend/nodes/removal.ts';

function node(
  name: string,
  {
    isRunning = false,
    snapshots = [],
    disks = {},
  }: { isRunning?: boolean; snapshots?: string[]; disks?: Record<string, boolean> } = {},
): Removable {
  const files = Object.entries(disks).map(([disk, holdsData]) => ({ name: disk, holdsData }));
  return {
    record: { name, mac: `mac of ${name}` },
    isRunning,
    snapshots: { list: () => snapshots.map((snapshot) => ({ name: snapshot })) },
    disks: { list: () => Promise.resolve(files) },
  };
}
const nothing: PersistUsage = () => Promise.resolve({ objects: 0, bytes: 0 });
const persist =
  (owner: string, objects: number, bytes: number): PersistUsage =>
  (mac) =>
    mac === `mac of ${owner}` ? Promise.resolve({ objects, bytes }) : nothing(mac);

describe('the removal of nodes', () => {
  test('one that is off and has nothing goes without a question', async () => {
    await expect(checkRemoval([node('a', { disks: { disk_0: false } })], nothing)).resolves.toBeUndefined();
  });

  test.each([
    [{}, 1, 5, 'Removing a deletes 1 file or folder in its /persist (1 kB).'],
    [{}, 12, 3_400_000, 'Removing a deletes 12 files and folders in its /persist (3.4 MB).'],
    [{ snapshots: ['first'] }, 0, 0, 'Removing a deletes its snapshot first.'],
    [
      { snapshots: ['first', 'second'], disks: { disk_0: true, disk_1: false } },
      2,
      0,
      'Removing a deletes 2 files and folders in its /persist (0 kB), its snapshots first and second and the data on disk_0.',
    ],
  ])('%j with %i in /persist', async (has, objects, bytes, sentence) => {
    const usage = persist('a', objects, bytes);
    expect(await removalLosses([node('a', has), node('b')], usage)).toEqual([sentence]);
    await expect(checkRemoval([node('b'), node('a', has)], usage)).rejects.toMatchObject({
      code: 'node.loses',
      message: sentence,
    });
  });

  test('nodes that run are refused as such, and what goes with any is said too', async () => {
    const nodes = [node('a', { isRunning: true }), node('b', { snapshots: ['s'] })];
    await expect(checkRemoval(nodes, nothing)).rejects.toMatchObject({
      code: 'node.running',
      message: 'a is running: stop it first, or remove with --force.\nRemoving b deletes its snapshot s.',
    });
  });
});
