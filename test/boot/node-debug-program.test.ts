import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../backend/api/client.ts';
import { connectToLab } from '../../backend/api/lab-control.ts';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { NativeConfiguration, NodeJsConfiguration } from '../../extension/debug/configurations.ts';
import { gdbTarget, serveGdbserver } from '../../extension/debug/gdbserver-line.ts';
import { checkNodeJs, serveInspector } from '../../extension/debug/node-js.ts';
import { debugpyAdapter } from '../../extension/debug/debugpy.ts';
import { channelTo, DapClient } from '../support/dap.ts';
import { InspectorClient } from '../support/inspector.ts';
import { repository, TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { importInterpreters } from '../support/interpreters.ts';

const BOOT_MS = 300_000;
const SUM_C = `#include <stdio.h>

int add(int one, int other) {
  int total = one + other;
  return total;
}

int main(int argc, char **argv) {
  printf("sum %d of %d\\n", add(40, 2), argc);
  return 0;
}
`;
const SUM_JS = `function add(one, other) {
  const total = one + other;
  return total;
}
console.log('sum', add(40, Number(process.argv[2])));
`;

describe.runIf(isLong)('programs in a node', () => {
  const lab = new TestLab();
  let client: ApiClient;
  /** what is said to those who watch */
  const failures: string[] = [];
  const failed = (sentence: string): void => void failures.push(sentence);

  /** As the extension does it, but with a connection for each script. */
  const shells = {
    run: async (node: string, command: string, _limit: number, input?: Uint8Array) => {
      const { argv } = await client.call('node.shellCommand', { node, command, tty: false });
      const [program = '', ...args] = argv;
      const { status, stdout, stderr } = spawnSync(program, args, { input });
      return { code: status ?? 255, stdout, stderr: stderr.toString() };
    },
  };

  beforeAll(async () => {
    await importInterpreters(lab, 'with-interpreters', true);
    await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'with-interpreters');
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
    const add = ['def add(one, other):', '    total = one + other', '    return total', ''];
    const lines = [...add, 'first = add(40, 2)', 'second = add(first, 1)', 'print("sum", second)', ''];
    await lab.inNode('vnode1', `mkdir -p /root/app; printf '%s\\n' '${lines.join("' '")}' >/root/app/sum.py`);
    const program = { node: 'vnode1', python: 'python3', program: '/root/app/sum.py' };
    const command = await debugpyAdapter(client, shells, program);
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

  test('that are native stop at breakpoints in their sources on this machine; gdbserver comes along', async () => {
    const source = join(lab.home, 'sum.c');
    writeFileSync(source, SUM_C);
    execFileSync('gcc', ['-g', '-O0', '-o', join(lab.home, 'sum'), source]);
    await lab.inNode('vnode1', 'mkdir -p /root/app');
    await lab.bootyard('node', 'cp', join(lab.home, 'sum'), 'vnode1:/root/app/sum');
    const configuration = NativeConfiguration.parse({
      ...{ node: 'vnode1', program: '/root/app/sum', args: ['a b', 'c'] },
      pathMappings: [{ localRoot: lab.home, remoteRoot: '/root/app' }],
    });
    const served = await serveGdbserver(client, shells, configuration, failed);
    const frozen = `--config-frozen=${JSON.stringify(gdbTarget(configuration, served.socket))}`;
    const adapter = spawn(process.execPath, [join(repository, 'dist/gdb-adapter.cjs'), frozen]);
    try {
      const dap = new DapClient(channelTo(adapter));
      await dap.ask('initialize', { adapterID: 'bootyard-native', pathFormat: 'path' });
      dap.send('launch', {});
      await dap.event('initialized');
      await dap.ask('setBreakpoints', { source: { path: source }, breakpoints: [{ line: 4 }] });
      await dap.ask('configurationDone', {});
      const stop = await dap.stopped();
      expect(stop).toMatchObject({ reason: 'breakpoint', name: 'add', line: 4, source: { path: source } });
      expect(await dap.value('one * other', stop.id)).toBe('80');
      await dap.ask('continue', { threadId: stop.threadId });
      await dap.event('terminated');
      expect(await lab.inNode('vnode1', `cat ${served.output}`)).toContain('sum 42 of 3\n');
    } finally {
      adapter.kill();
      served.close();
    }
    const missing = { ...configuration, program: '/root/app/nothing' };
    await expect(serveGdbserver(client, shells, missing, failed)).rejects.toThrow(
      'The program /root/app/nothing of vnode1 is not there.',
    );
    expect(failures).toEqual([]);
  }, 600_000);

  test('of Node.js stop where its inspector is told, by a port of this machine', async () => {
    await lab.inNode('vnode1', `mkdir -p /root/app; printf %s ${quoted(SUM_JS)} >/root/app/sum.js`);
    const program = { node: 'vnode1', program: '/root/app/sum.js', args: ['2'] };
    const configuration = NodeJsConfiguration.parse(program);
    await checkNodeJs(client, configuration);
    const served = await serveInspector(client, configuration, failed);
    // Editors look first, and come back.
    const first = new InspectorClient(served.address);
    await first.ask('Runtime.enable');
    first.close();
    const inspector = new InspectorClient(served.address);
    try {
      await inspector.ask('Debugger.enable');
      const place = { url: 'file:///root/app/sum.js', lineNumber: 1 };
      await inspector.ask('Debugger.setBreakpointByUrl', place);
      await inspector.ask('Runtime.runIfWaitingForDebugger');
      const frame = await inspector.paused();
      expect(frame).toMatchObject({ functionName: 'add', line: 1 });
      expect(await inspector.value('one * other', frame.id)).toBe(80);
    } finally {
      inspector.close();
      await served.close();
    }
    await until(
      'the program ends with its debugger',
      () => lab.inNode('vnode1', 'pgrep -f sum.js || echo none'),
      (said) => said === 'none\n',
    );
    await expect(checkNodeJs(client, { ...configuration, runtime: 'nodejs' })).rejects.toThrow(
      'Node vnode1 has no nodejs: its image needs Node.js (in Debian the package nodejs) to debug its programs.',
    );
    expect(failures).toEqual([]);
  }, 600_000);
});
