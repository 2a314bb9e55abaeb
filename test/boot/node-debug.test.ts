import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../backend/api/client.ts';
import type { KernelDebugging } from '../../backend/api/debug.ts';
import { connectToLab } from '../../backend/api/lab-control.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'pc-x86-64-tiny');
});
afterAll(() => lab.remove());

/** `node debug` as long as it runs, and what it has printed. */
class Debugging {
  readonly child: ChildProcess;
  #said = '';

  constructor(...words: string[]) {
    this.child = lab.spawn('node', 'debug', ...words);
    this.child.stdout?.on('data', (data) => (this.#said += String(data)));
  }

  async printed(): Promise<string> {
    return await until(
      'node debug',
      () => this.#said,
      (said) => said.endsWith('}\n') || /\n {2}gdb .*\n/.test(said),
    );
  }

  async kernel(): Promise<KernelDebugging> {
    return JSON.parse(await this.printed()) as KernelDebugging;
  }

  /** ctrl-C; answers the exit code. */
  async end(): Promise<unknown> {
    const ended = once(this.child, 'close');
    this.child.kill('SIGINT');
    return (await ended)[0];
  }
}

function gdb(...commands: string[]): { child: ChildProcess; says: (text: string) => Promise<string> } {
  const words = ['-nx', '-batch', ...commands.flatMap((command) => ['-ex', command])];
  const child = spawn('gdb', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  const says = (text: string): Promise<string> =>
    until(
      `gdb says ${text}`,
      () => said,
      (all) => all.includes(text),
    );
  return { child, says };
}
/** A debugger is killed while the machine runs: its breakpoints are in the machine then. */
async function leaveBreakpoint(): Promise<void> {
  const debugging = new Debugging('vnode1', '--json');
  const { commands } = await debugging.kernel();
  const words = [...commands, 'break path_mount', 'continue'].flatMap((command) => ['-ex', command]);
  const child = spawn('gdb', ['-nx', '-q', ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data) => (said += String(data)));
  await until(
    'gdb lets it go on',
    () => said,
    (all) => all.includes('Continuing.'),
  );
  child.kill('SIGKILL');
  expect(await debugging.end()).toBe(0);
}
const state = async (): Promise<string> => (await lab.node('vnode1')).state;
const mount = () =>
  lab.inNode('vnode1', 'mkdir -p /run/m && mount -t tmpfs none /run/m && umount /run/m && echo done');

describe('the kernel of a node', () => {
  test.runIf(isLong)('its symbols are those that it says itself, where it runs', async () => {
    const debugging = new Debugging('vnode1', '--json');
    const { symbols, offset } = await debugging.kernel();
    const own = await lab.inNode('vnode1', `grep -v '\\[' /proc/kallsyms`);
    const ours = execFileSync('nm', [symbols], { encoding: 'utf8', maxBuffer: 64 << 20 })
      .trim()
      .split('\n');
    const moved = ours.map((line) => {
      const address = BigInt(`0x${line.slice(0, 16)}`) + BigInt(offset);
      return `${address.toString(16)} ${line.slice(19)}`;
    });
    // The kernel's own list has places in each processor's own data, too, and has type letters that differ.
    const known = new Set(own.split('\n').map((line) => `${line.slice(0, 16)} ${line.slice(19)}`));
    expect(moved.filter((line) => !known.has(line))).toEqual([]);
    expect(moved.filter((line) => line.endsWith(' path_mount'))).toHaveLength(1);
    expect(ours.length).toBeGreaterThan(50_000);
    expect(await debugging.end()).toBe(0);
  });

  test('gdb stops it in path_mount, and it goes on', async () => {
    const debugging = new Debugging('vnode1', '--json');
    const { commands } = await debugging.kernel();
    const stopped = gdb(...commands, 'break path_mount', 'continue', 'backtrace 2', 'detach');
    await stopped.says('Breakpoint 1 at');
    const mounted = mount();
    expect(await stopped.says('detached')).toMatch(
      /hit Breakpoint 1, 0x\w+ in path_mount \(\)[^]*#0 .*path_mount[^]*#1 .*sys_mount/,
    );
    expect(await mounted).toBe('done\n');
    expect(await debugging.end()).toBe(0);
    await until('booted', state, (now) => now === 'booted');
  });

  test('there is one debugger at a time; one that is killed leaves no breakpoint, and the machine goes on', async () => {
    const debugging = new Debugging('vnode1');
    expect(await debugging.printed()).toMatch(/Kernel 6\.\S+ of vnode1 is open to a debugger until ctrl-C/);
    const other = await lab.run('node', 'debug', 'vnode1');
    expect([other.status, other.stderr]).toEqual([1, 'The kernel of vnode1 is being debugged already.\n']);
    const line = /\n {2}(gdb .*)\n/.exec(await debugging.printed())?.[1] ?? '';
    const script = `${line} -nx -q -ex 'break path_mount' -ex continue`;
    const child = spawn('sh', ['-c', `exec ${script}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    await until(
      'gdb has its breakpoint',
      () => said,
      (all) => all.includes('Breakpoint 1 at'),
    );
    const mounted = mount();
    await until(
      'the node says so',
      async () => (await lab.node('vnode1')).reason,
      (reason) => reason === 'Stopped by its debugger.',
    );
    child.kill('SIGKILL');
    expect(await debugging.end()).toBe(0);
    expect(await mounted).toBe('done\n');
    expect(await mount()).toBe('done\n');
    await leaveBreakpoint();
    expect(await mount()).toBe('done\n');
    await until('booted', state, (now) => now === 'booted');
  });
});

/** What a command in a node is told and prints by the line for debuggers. */
async function onLine(client: ApiClient, command: string, input?: Buffer): Promise<Buffer> {
  const { stream } = await client.call('debug.run', { node: 'vnode1', command });
  const chunks: Uint8Array[] = [];
  client.stream(stream).onData((data) => void chunks.push(data));
  if (input) client.stream(stream).write(input);
  await new Promise<void>((resolve) => client.stream(stream).onEnd(() => resolve()));
  return Buffer.concat(chunks);
}

describe('the line for debuggers', () => {
  test('carries any bytes, for one program at a time; closing its stream ends the program', async () => {
    const client = await connectToLab({ start: false, env: lab.env });
    try {
      const bytes = Buffer.from(Array.from({ length: 8192 }, (_, index) => (index * 7) % 256));
      expect((await onLine(client, `exec head -c ${bytes.length}`, bytes)).equals(bytes)).toBe(true);
      const { stream } = await client.call('debug.run', { node: 'vnode1', command: 'sleep 100000; true' });
      await expect(client.call('debug.run', { node: 'vnode1', command: 'true' })).rejects.toThrow(
        'The line for debuggers of vnode1 is used by another debugger.',
      );
      client.stream(stream).close();
      await until(
        'the program ends',
        () => lab.inNode('vnode1', 'pgrep -f "^sleep 100000" || echo none'),
        (said) => said === 'none\n',
      );
      expect((await onLine(client, 'echo again')).toString()).toBe('again\n');
    } finally {
      client.dispose();
    }
  });

  test('needs no network', async () => {
    const client = await connectToLab({ start: false, env: lab.env });
    try {
      const busybox = '/run/walt/rootfs/bin/busybox';
      const command = `cd /run; ${busybox} ip link set eth0 down && ${busybox} cat /sys/class/net/eth0/operstate; ${busybox} ip link set eth0 up`;
      expect((await onLine(client, command)).toString()).toBe('down\n');
    } finally {
      client.dispose();
    }
  });
});

describe('a program in a node', () => {
  test('its debugger is at a port of this host', async () => {
    const debugging = new Debugging('vnode1', '--port', '22', '--json');
    const { address } = JSON.parse(await debugging.printed()) as { address: string };
    const socket = connect({ port: Number(address.split(':')[1]), host: '127.0.0.1' });
    expect(String((await once(socket, 'data'))[0])).toMatch(/^SSH-2/);
    socket.destroy();
    expect(await debugging.end()).toBe(0);
    const wrong = await lab.run('node', 'debug', 'vnode1', '--port', '0');
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      expect.stringContaining(`'0' is no TCP port: expected is a number from 1 to 65535.`),
    ]);
  });

  test('a node that ends takes its debugger along; one that is off has none', async () => {
    const debugging = new Debugging('vnode1', '--json');
    await debugging.kernel();
    const ended = once(debugging.child, 'close');
    await lab.bootyard('node', 'stop', 'vnode1');
    expect((await ended)[0]).toBe(1);
    const off = await lab.run('node', 'debug', 'vnode1');
    expect([off.status, off.stderr]).toEqual([1, 'Node vnode1 is off: boot it to debug it.\n']);
  });
});
