import { describe, expect, test } from 'vitest';
import { BootyardError } from '../../backend/errors.ts';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { never, database, lab } from '../support/manager-nodes.ts';

describe('boots that fail', () => {
  test('a guest that reboots by itself has failed after three in a row', async () => {
    lab.guest = 'reboots';
    await lab.manager.create({ name: 'n1' });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toMatch(
      /^Reboots by itself at firmware \(no kernel in this ima.*\), 3 times in a row: each boot ends .* node console n1'/,
    );
    expect(lab.calls.filter((call) => call === 'plan n1')).toHaveLength(3);
    expect(lab.calls.at(-1)).toBe('release n1');
    expect(lab.manager.boots.timeline('n1', undefined).outcome).toBe('failed');
    await expect(lab.manager.wait(['n1'], undefined, never)).rejects.toThrow(
      /Failed: node n1 did not boot. Reboots/,
    );
  });

  test('a kernel panic: failed at once with its text, and the machine is stopped', async () => {
    lab.guest = 'panics';
    await lab.manager.create({ name: 'n1' });
    const waiting = lab.manager.wait(['n1'], undefined, never);
    await expect(waiting).rejects.toThrow(
      'Kernel panic at walt-init: the kernel gave up: no init found; see',
    );
    expect(lab.kept()).toBeUndefined();
    await expect(lab.manager.remove(['n1'], false)).resolves.toBeUndefined();
  });

  test('a boot that stands still: failed with its stage, its machine left; it may get booted after all', async () => {
    await lab.manager.create({ name: 'n1', settings: { 'boot.timeout': 10, 'boot.retries': 0 } });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toBe('no progress for 10 s; last: walt-init (Initializing).');
    expect(lab.kept()).toBeDefined();
    expect(lab.manager.boots.timeline('n1', undefined)).toMatchObject({
      outcome: 'failed',
      reason: failed.reason,
    });
    await expect(lab.manager.remove(['n1'], false)).rejects.toThrow('n1 is running: stop it first');
    lab.agent('booted');
    expect(lab.node()).toMatchObject({ state: 'booted', reason: null });
    expect(lab.manager.boots.timeline('n1', undefined).outcome).toBe('booted');
  });

  test('with retries it is tried again, and says so', async () => {
    await lab.manager.create({ name: 'n1', settings: { 'boot.timeout': 10, 'boot.retries': 1 } });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toContain('trying hard-reboot (last try).');
    const again = await lab.reaches('booting');
    expect(again.reason).toContain('Tried again after: no progress for 10 s');
  });

  test('QEMU that cannot start: its last line; a plan that cannot be made: that sentence', async () => {
    const creating = lab.manager.create({ name: 'n1', settings: { ram: '1024G' } });
    const sentence =
      "Not started: this host has not 1024G of memory for its QEMU (cannot set up guest memory); give it less with 'bootyard node config n1 ram=512M', or free memory on this host.";
    await expect(creating).rejects.toThrow(sentence);
    expect(lab.node()).toMatchObject({ state: 'failed', reason: sentence });
    expect(lab.calls.at(-1)).toBe('release n1');
    lab.planError = new BootyardError('x', 'The image is broken.');
    await expect(lab.manager.boot(['n1'])).rejects.toThrow('The image is broken.');
    expect(lab.node()).toMatchObject({ state: 'failed', reason: 'The image is broken.' });
  });

  test('what an image cannot have is a warning in the timeline, the events and the log; the boot goes on', async () => {
    lab.warnings = ['/etc/walt/image.spec is ignored: it is not JSON.'];
    const { mac } = await lab.manager.create({ name: 'n1' });
    await lab.guestRuns();
    lab.agent('booted');
    const warning = '/etc/walt/image.spec is ignored: it is not JSON.';
    const [first] = lab.manager.boots.timeline('n1', undefined).stages;
    expect(first).toMatchObject({ name: 'firmware', detail: expect.stringContaining(`warning: ${warning}`) });
    const records = new BootRecords(database);
    expect(records.events(records.last(mac)?.id ?? '')).toContainEqual(
      expect.objectContaining({ kind: 'warning', sentence: warning }),
    );
    expect(lab.logged.filter((line) => line.includes(warning))).toEqual([
      `node n1: WARNING: Nodes may have problems booting this image! ${warning}`,
    ]);
    expect(lab.node().state).toBe('booted');
  });

  test('QEMU that is killed is a failure with the signal', async () => {
    await lab.manager.create({ name: 'n1' });
    process.kill(lab.kept()?.pid ?? 0, 'SIGKILL');
    expect((await lab.reaches('failed')).reason).toContain(
      'QEMU ended unexpectedly at firmware: something killed its QEMU (SIGKILL)',
    );
  });
});
