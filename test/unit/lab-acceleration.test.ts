import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { probeAcceleration } from '../../backend/lab/acceleration.ts';

// A shell script plays QEMU: what counts here is what is concluded from a guest's words and from QEMU's end.
describe('the choice of the accelerator', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bootyard-probe-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const BANNER = `printf '[    0.000000] Linux version 6.1.0 (debian)\\r\\n'`;
  const INIT = `printf '[    1.2] Run /init as init process\\r\\n'`;

  function prepare(guest: string, version = '7.2.0') {
    const qemu = join(folder, 'qemu');
    const runs = join(folder, 'runs');
    const script = `#!/bin/sh\n[ "$1" != --version ] || { echo 'QEMU emulator version ${version}'; exit 0; }\necho "$$ $@" >> ${runs}\n${guest}\n`;
    writeFileSync(qemu, script);
    chmodSync(qemu, 0o755);
    const kernel = join(folder, 'vmlinuz');
    const device = join(folder, 'kvm');
    for (const file of [kernel, device]) writeFileSync(file, '');
    return {
      options: { qemu, kernel, device, cacheFile: join(folder, 'cache/kvm.json'), timeoutMs: 20_000 },
      runs: () => (existsSync(runs) ? readFileSync(runs, 'utf8').trim().split('\n') : []),
    };
  }

  test('is KVM when a kernel has come to its first program, and QEMU is gone then', async () => {
    const { options, runs } = prepare(`${BANNER}; ${INIT}; exec sleep 1000`);
    expect(await probeAcceleration(options)).toEqual({
      accel: 'kvm',
      reason: 'a kernel was seen to boot with KVM',
    });
    const [run = ''] = runs();
    expect(run).toContain('-accel kvm -cpu host');
    expect(run).toContain(`-kernel ${options.kernel}`);
    expect(existsSync(`/proc/${run.split(' ')[0]}`)).toBe(false);
  });

  test('is KVM too when the kernel has no root and says so', async () => {
    const panic = `printf 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\\r\\n'`;
    const { options } = prepare(`${BANNER}; ${panic}`);
    expect(await probeAcceleration(options)).toMatchObject({ accel: 'kvm' });
  });

  test.each([
    ['hangs', `${BANNER}; printf 'Probing EDD... ok'; exec sleep 1000`, 'within 1 s: Probing EDD... ok'],
    ['says nothing', 'exec sleep 1000', 'within 1 s: not a word from it'],
    [
      'says it without a banner',
      `${INIT}; exec sleep 1000`,
      'within 1 s: [    1.2] Run /init as init process',
    ],
  ])('is TCG when the guest %s', async (_what, guest, reason) => {
    const { options, runs } = prepare(guest);
    const result = await probeAcceleration({ ...options, timeoutMs: 1000 });
    expect(result).toEqual({ accel: 'tcg', reason: `a kernel does not boot with KVM ${reason}` });
    expect(existsSync(`/proc/${runs()[0]?.split(' ')[0]}`)).toBe(false);
  });

  test('is TCG when QEMU ends, with its reason', async () => {
    const { options } = prepare(
      `${BANNER}; echo 'qemu: kvm_buf_set_msrs: Assertion failed.' >&2; kill -ABRT $$`,
    );
    const result = await probeAcceleration(options);
    expect(result).toEqual({
      accel: 'tcg',
      reason: 'QEMU ends when it uses KVM: qemu: kvm_buf_set_msrs: Assertion failed.',
    });
  });

  test('is TCG after an early panic', async () => {
    const { options } = prepare(`${BANNER}; printf 'Kernel panic - not syncing: Fatal exception\\r\\n'`);
    expect(await probeAcceleration(options)).toMatchObject({ accel: 'tcg' });
  });

  test('is made once per kernel of the host and QEMU', async () => {
    const first = prepare(`${BANNER}; ${INIT}; exec sleep 1000`);
    await probeAcceleration(first.options);
    await probeAcceleration(first.options);
    expect(first.runs()).toHaveLength(1);
    const other = prepare('echo no >&2; exit 1', '8.0.0');
    expect(await probeAcceleration(other.options)).toMatchObject({ accel: 'tcg' });
    expect(other.runs()).toHaveLength(2);
  });

  test('does not believe a refusal for ever, nor a broken cache', async () => {
    const { options, runs } = prepare('exit 1');
    await probeAcceleration(options);
    await probeAcceleration(options);
    expect(runs()).toHaveLength(1);
    const record: unknown = JSON.parse(readFileSync(options.cacheFile, 'utf8'));
    writeFileSync(options.cacheFile, JSON.stringify(Object.assign({}, record, { probed: 0 })));
    await probeAcceleration(options);
    expect(runs()).toHaveLength(2);
    writeFileSync(options.cacheFile, '{"host":');
    await probeAcceleration(options);
    expect(runs()).toHaveLength(3);
  });

  test('needs no QEMU to see that there is no KVM', async () => {
    const { options, runs } = prepare('exit 1');
    const device = join(folder, 'absent');
    expect(await probeAcceleration({ ...options, device })).toEqual({
      accel: 'tcg',
      reason: `this host has no ${device}`,
    });
    expect(await probeAcceleration({ ...options, qemu: join(folder, 'nothing') })).toMatchObject({
      accel: 'tcg',
      reason: expect.stringContaining('QEMU does not run'),
    });
    expect(await probeAcceleration({ ...options, kernel: join(folder, 'nothing') })).toMatchObject({
      accel: 'tcg',
      reason: expect.stringContaining('there is no kernel'),
    });
    expect(runs()).toEqual([]);
  });

  test('can be given up', async () => {
    const { options, runs } = prepare('exec sleep 1000');
    const abort = new AbortController();
    const probe = probeAcceleration({ ...options, signal: abort.signal });
    while (runs().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort(new Error('enough'));
    await expect(probe).rejects.toThrow('enough');
    expect(existsSync(`/proc/${runs()[0]?.split(' ')[0]}`)).toBe(false);
    expect(existsSync(options.cacheFile)).toBe(false);
  });
});
