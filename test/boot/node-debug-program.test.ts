import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../backend/api/client.ts';
import { connectToLab } from '../../backend/api/lab-control.ts';
import { debugpyAdapter } from '../../extension/debug/debugpy.ts';
import { DapClient } from '../support/dap.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { importPython } from '../support/python.ts';

const BOOT_MS = 300_000;
const noShells = { run: () => Promise.reject(new Error('the image has all that is needed')) };

describe.runIf(isLong)('programs in a node', () => {
  const lab = new TestLab();
  let client: ApiClient;

  beforeAll(async () => {
    await importPython(lab, 'with-python', true);
    await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'with-python');
    client = await connectToLab({ start: false, env: lab.env });
  }, BOOT_MS);
  afterAll(async () => {
    client.dispose();
    await lab.remove();
  });

  /** Says a command on the serial console of the node; answers when `answer` is there. */
  async function onConsole(command: string, answer: RegExp): Promise<void> {
    const serial = await client.openConsole('vnode1', { history: false });
    let said = '';
    serial.onData((data) => void (said += Buffer.from(data).toString('latin1')));
    serial.write(Buffer.from(`${command}\n`));
    await until(
      'the console',
      () => said,
      (all) => answer.test(all),
    );
    serial.close();
  }

  test('in Python stops at breakpoints, with the paths of this machine, also when the network of the node is down', async () => {
    const program = ['def add(one, other):', '    total = one + other', '    return total', ''];
    const lines = [...program, 'first = add(40, 2)', 'second = add(first, 1)', 'print("sum", second)', ''];
    await lab.inNode('vnode1', `mkdir -p /root/app; printf '%s\\n' '${lines.join("' '")}' >/root/app/sum.py`);
    const command = await debugpyAdapter(client, noShells, 'vnode1', 'python3');
    const { stream } = await client.call('debug.run', { node: 'vnode1', command });
    const dap = new DapClient(client.stream(stream));
    await dap.ask('initialize', { adapterID: 'bootyard-python', pathFormat: 'path' });
    dap.send('launch', {
      ...{ program: '/root/app/sum.py', console: 'internalConsole', justMyCode: true },
      pathMappings: [{ localRoot: '/home/me/app', remoteRoot: '/root/app' }],
    });
    await dap.event('initialized');
    const source = { path: '/home/me/app/sum.py' };
    await dap.ask('setBreakpoints', { source, breakpoints: [{ line: 2 }] });
    await dap.ask('configurationDone', {});
    const first = await dap.stopped();
    expect(first).toMatchObject({ reason: 'breakpoint', name: 'add', line: 2, source });
    expect(await dap.value('one * other', first.id)).toBe('80');

    const ip = '/run/walt/rootfs/bin/busybox ip link set eth0';
    const state = 'cat /sys/class/net/eth0/operstate';
    await onConsole(`${ip} down; ${state}`, /^down\r?$/m);
    await dap.ask('continue', { threadId: first.threadId });
    const second = await dap.stopped();
    expect(second).toMatchObject({ reason: 'breakpoint', name: 'add', line: 2, source });
    expect(await dap.value('one * other', second.id)).toBe('42');
    await onConsole(state, /^down\r?$/m);
    await onConsole(`${ip} up; ${state}`, /^up\r?$/m);

    await dap.ask('continue', { threadId: second.threadId });
    await dap.event('terminated');
    await until(
      'its output',
      () => dap.printed(),
      (text) => text.includes('sum 43'),
    );
    client.stream(stream).close();
  }, 600_000);
});
