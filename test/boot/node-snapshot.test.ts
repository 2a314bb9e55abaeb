import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../backend/api/client.ts';
import { BootyardError } from '../../backend/errors.ts';
import { until } from '../support/lab.ts';
import { SnapshotLab, stopProcess, savesMemory, startsToRestore } from '../support/snapshots.ts';
import { importVariant } from '../support/variant.ts';

const IMAGE = 'pc-x86-64-tiny';
const lab = new SnapshotLab();
const READ_ROOT =
  'echo 3 >/proc/sys/vm/drop_caches; find /lib /usr -xdev -type f | sort | head -n 60 | xargs md5sum | md5sum';
const WHO = 'hostname; cat /sys/class/net/eth0/address; ip -4 -o addr show dev eth0 | grep -o "[0-9.]*/24"';
const MACHINE_ID = '0123456789abcdef0123456789abcdef';
const DISK = 'dd if=/dev/sda bs=5 count=1 2>/dev/null';
const writeDisk = (word: string) => `printf ${word} | dd of=/dev/sda conv=fsync 2>/dev/null`;
const blobs = () => readdirSync(join(lab.paths.images, 'blobs/sha256')).length;

/** How far the node's clock is from the host's, s. */
async function clockError(node: string): Promise<number> {
  const before = Date.now() / 1000;
  const inside = Number(await lab.inNode(node, 'date +%s'));
  return Math.max(0, before - inside - 1, inside - Date.now() / 1000);
}
async function booted(node: string): Promise<void> {
  await until(
    'booted',
    () => lab.node(node),
    ({ state }) => state === 'booted',
  );
}

beforeAll(async () => {
  await lab.importDefault(IMAGE);
  await lab.bootyard('node', 'create', 'n1', '--image', IMAGE, 'disks=1G');
});
afterAll(() => lab.remove());

describe('snapshots of a node', () => {
  let saved = 0;
  let sums = '';

  test('a node that boots is not saved', async () => {
    const sentence = 'Node n1 cannot be saved, because it is booting: wait until it is booted';
    expect(await lab.refusal('node', 'snapshot', 'save', 'n1')).toContain(sentence);
    await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
  });

  test('one that is saved goes on, and loses nothing but time', async () => {
    sums = await lab.inNode('n1', READ_ROOT);
    await lab.startCounter('n1');
    await lab.inNode('n1', `printf first >/tmp/mark; ${writeDisk('first')}`);
    await lab.inNode('n1', `echo ${MACHINE_ID} >/etc/machine-id`);
    await lab.inNode('n1', 'echo then >/persist/changed; ls /persist; [ ! -e /persist/new ]');
    await lab.bootyard('node', 'snapshot', 'save', 'n1', 's1');
    saved = await lab.count('n1');
    await lab.isCounting('n1');
    await booted('n1');
    expect(await clockError('n1')).toBeLessThan(2);
    const [snapshot, ...others] = await lab.snapshots('n1');
    expect(others).toEqual([]);
    expect(snapshot).toMatchObject({ name: 's1', image: IMAGE, ram: '512M', disks: '1G' });
    expect(snapshot?.bytes).toBeGreaterThan(10e6);
    expect(await lab.refusal('node', 'snapshot', 'save', 'n1', 's1')).toContain(
      "already has a snapshot 's1'",
    );
    expect(await lab.refusal('node', 'snapshot', 'save', 'n1', '../x')).toContain('cannot name a snapshot');
  });

  test('restoring brings memory, disks and the root back, whatever became of image and settings', async () => {
    await lab.inNode('n1', `printf later >/tmp/mark; ${writeDisk('later')}`);
    await lab.inNode('n1', 'echo now >/persist/changed; echo now >/persist/new');
    await until(
      'some time',
      () => lab.count('n1'),
      (count) => count > saved + 50,
    );
    await lab.bootyard('node', 'config', 'n1', 'ram=256M');
    await lab.bootyard('node', 'stop', 'n1');
    // Nothing but the snapshot needs the image that had this name.
    await importVariant(lab, IMAGE, { add: { 'usr/lib/added': 'a new image' } }, '--force');
    expect(await lab.refusal('node', 'snapshot', 'restore', 'n1')).toContain('gets lost');
    expect((await lab.node('n1')).state).toBe('off');

    await lab.bootyard('node', 'snapshot', 'restore', 'n1', 's1', '--force');
    const now = await lab.count('n1');
    expect([now > 0, now < saved + 50]).toEqual([true, true]);
    expect(await lab.inNode('n1', `cat /tmp/mark; ${DISK}`)).toBe('firstfirst');
    await lab.isCounting('n1');
    expect(await lab.inNode('n1', `ls /usr/lib/added 2>/dev/null; ${READ_ROOT}`)).toBe(sums);
    expect(await clockError('n1')).toBeLessThan(2);
    expect((await lab.node('n1')).settings.ram).toBe('512M');
    const { stages, outcome } = await lab.timeline('n1');
    expect([outcome, ...stages.map(({ name }) => name)]).toEqual(['booted', 'restore', 'booted']);
    expect(stages[0]?.detail).toContain('restored from snapshot s1');
  });

  test('/persist is as it is now, also where the node knew it otherwise', async () => {
    await lab.bootyard('node', 'snapshot', 'restore', 'n1', 's1', '--force');
    expect(await lab.inNode('n1', 'cat /persist/new /persist/changed')).toBe('now\nnow\n');
  });

  test('a copy is booted with an identity and a /persist of its own, beside the node that was saved', async () => {
    const persistent = await lab.inNode('n1', 'ls /persist');
    await lab.bootyard('node', 'create', 'n2', '--from', 'n1@s1');
    const [n1, n2] = [await lab.node('n1'), await lab.node('n2')];
    expect([n1.state, n2.state]).toEqual(['booted', 'booted']);
    expect([n2.ip === n1.ip, n2.mac === n1.mac]).toEqual([false, false]);
    const said = await Promise.all(['n1', 'n2'].map((name) => lab.inNode(name, WHO)));
    expect(said).toEqual([`n1\n${n1.mac}\n${n1.ip}/24\n`, `n2\n${n2.mac}\n${n2.ip}/24\n`]);
    expect(await lab.inNode('n2', 'grep walt /etc/hosts | tail -n 1')).toBe(`${n2.ip} n2.walt n2\n`);
    expect(await lab.inNode('n1', 'cat /etc/machine-id')).toBe(`${MACHINE_ID}\n`);
    const machineId = await lab.inNode('n2', 'cat /etc/machine-id');
    expect(machineId).toMatch(/^[0-9a-f]{32}\n$/);
    expect(machineId).not.toBe(`${MACHINE_ID}\n`);
    await Promise.all([lab.isCounting('n1'), lab.isCounting('n2')]);
    expect(await lab.inNode('n2', READ_ROOT)).toBe(sums);
    expect(await clockError('n2')).toBeLessThan(2);
    await lab.inNode('n2', `[ "$(${DISK})" = first ]; ${writeDisk('other')}`);
    expect(await lab.inNode('n1', DISK)).toBe('first');
    expect(await lab.inNode('n2', 'ls -A /persist; echo other >/persist/changed')).toBe('');
    expect(await lab.inNode('n1', 'ls /persist; cat /persist/changed')).toBe(`${persistent}now\n`);
    await lab.bootyard('node', 'remove', '--force', 'n2');
  });

  test('a copy whose snapshot is not there is not made', async () => {
    const unknown = await lab.refusal('node', 'create', 'n3', '--from', 'n1@nothing');
    expect(unknown).toContain("Node n1 has no snapshot 'nothing'");
    expect(await lab.refusal('node', 'create', 'n3', '--from', 'n1')).toContain('write <node>@<snapshot>');
    expect((await lab.nodes()).map(({ name }) => name)).toEqual(['n1']);
  });

  test('kill -9 of the daemon while it saves: the node goes on, and nothing is left', async () => {
    const { daemon } = await lab.status();
    const saving = lab.run('node', 'snapshot', 'save', 'n1', 's2');
    const writer = await stopProcess(savesMemory(lab));
    expect(await lab.snapshotFolders('n1')).toHaveLength(2);
    process.kill(daemon?.pid ?? 0, 'SIGKILL');
    expect((await saving).status).toBe(1);
    process.kill(writer, 'SIGCONT');
    await booted('n1');
    await lab.isCounting('n1');
    expect(await clockError('n1')).toBeLessThan(2);
    expect((await lab.snapshots('n1')).map(({ name }) => name)).toEqual(['s1']);
    expect(await lab.snapshotFolders('n1')).toHaveLength(1);
  });

  test('kill -9 of the daemon while it restores: the node has failed, and the next restore works', async () => {
    const { daemon } = await lab.status();
    const isNew = startsToRestore(lab);
    const restoring = lab.run('node', 'snapshot', 'restore', 'n1', 's1', '--force');
    const qemu = await stopProcess(isNew);
    process.kill(daemon?.pid ?? 0, 'SIGKILL');
    expect((await restoring).status).toBe(1);
    process.kill(qemu, 'SIGCONT');
    const node = await until(
      'failed',
      () => lab.node('n1'),
      ({ state }) => state === 'failed',
    );
    expect(node.reason).toBe('Restoring snapshot s1 was interrupted: restore it again, or boot the node.');
    await lab.bootyard('node', 'snapshot', 'restore', 'n1', 's1', '--force');
    expect(await lab.inNode('n1', `cat /tmp/mark; ${DISK}`)).toBe('firstfirst');
    await lab.isCounting('n1');
  });

  test.for([
    ['a restore: the node is off', 'node.snapshotRestore', { node: 'n1', name: 's1', force: true }],
    ['a copy: there is none', 'node.createFrom', { name: 'n9', from: 'n1@s1' }],
  ] as const)('cancel of %s', async ([, method, params]) => {
    const client = await connect(lab.paths.daemonSocket, { version: 'test' });
    try {
      const abort = new AbortController();
      const isNew = startsToRestore(lab);
      const cancelled = client
        .call(method, params, { signal: abort.signal })
        .catch((error: unknown) => error);
      const qemu = await stopProcess(isNew);
      abort.abort();
      expect(await cancelled).toBeInstanceOf(BootyardError);
      // Once it answers this, the daemon has heard of it.
      await client.call('lab.status', {});
      process.kill(qemu, 'SIGCONT');
    } finally {
      client.dispose();
    }
    await until(
      'off, and alone',
      () => lab.nodes(),
      (nodes) => nodes.length === 1 && nodes[0]?.state === 'off',
    );
    expect((await lab.node('n1')).reason).toBe('Snapshot s1 was not restored: this was cancelled.');
  });

  test('after that, the restore works', async () => {
    await lab.bootyard('node', 'snapshot', 'restore', 'n1', 's1', '--force');
    expect(await lab.inNode('n1', `cat /tmp/mark; ${DISK}`)).toBe('firstfirst');
    await lab.isCounting('n1');
  });

  test('removal takes the files, and the image that nothing else needs', async () => {
    await lab.bootyard('node', 'stop', 'n1');
    await lab.bootyard('node', 'boot', 'n1');
    await lab.bootyard('node', 'stop', 'n1');
    const before = blobs();
    await lab.bootyard('node', 'snapshot', 'remove', 'n1', 's1');
    expect(await lab.snapshots('n1')).toEqual([]);
    expect(await lab.snapshotFolders('n1')).toEqual([]);
    expect(blobs()).toBeLessThan(before);
    expect(await lab.refusal('node', 'snapshot', 'restore', 'n1')).toContain('Node n1 has no snapshot');
    expect(await lab.refusal('node', 'snapshot', 'remove', 'n1', 's1')).toContain("has no snapshot 's1'");
    expect(await lab.refusal('node', 'snapshot', 'save', 'n1')).toContain('it is off: boot it first');
  });
});
