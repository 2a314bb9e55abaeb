import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { spawn as spawnPty } from '@lydell/node-pty';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ByteStream } from '../../backend/api/contract.ts';
import { ApiServer, type ServedHandlers } from '../../backend/api/server.ts';
import { EscapeKeys } from '../../backend/cli/escape-keys.ts';
import { copyLines } from '../../backend/cli/node-run.ts';
import { formatSize, formatTable } from '../../backend/cli/table.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labPaths } from '../../backend/state/paths.ts';
import { basicHandlers, LAB, node } from '../support/api-lab.ts';

const program = join(import.meta.dirname, '../../backend/cli/main.ts');
let folder: string;
let env: Record<string, string>;
beforeAll(() => {
  folder = mkdtempSync('/tmp/bootyard-cli-');
  env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    BOOTYARD_HOME: join(folder, 'home'),
    XDG_RUNTIME_DIR: folder,
    TERM: 'xterm',
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}
async function bootyard(args: string[], input = ''): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], { env });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (outcome.stdout += String(data)));
  child.stderr.on('data', (data) => (outcome.stderr += String(data)));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  await new Promise((resolve) => child.on('close', resolve));
  return { ...outcome, code: child.exitCode };
}

/** The command on a terminal. */
function terminal(args: string[]) {
  const pty = spawnPty(process.execPath, [program, ...args], { env, cols: 200, rows: 50 });
  let text = '';
  const waiting = new Set<() => void>();
  pty.onData((data) => {
    text += data;
    for (const check of waiting) check();
  });
  const exit = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  const shows = (part: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!text.includes(part)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      void exit.then(() => reject(new Error(`ended without '${part}': ${text}`)));
      check();
    });
  return { type: (keys: string) => pty.write(keys), shows, exit, text: () => text };
}

const complete = async (...words: string[]): Promise<string[]> =>
  (await bootyard(['__complete', '--', ...words])).stdout.split('\n').filter((line) => line !== '');
const booted: ServedHandlers['node.list'] = (params) =>
  (params.nodes ?? [])
    .flatMap((set) => set.split(','))
    .map((name) => ({ ...node(name), state: 'booted' as const }));
/** Runs the command of `node run` on this host, with the node's name as $0. */
const here: ServedHandlers['node.shellCommand'] = (params) => ({
  argv: ['sh', '-c', params.command ?? 'exec sh', params.node],
});

describe('without a lab', () => {
  test.each([
    [[], 'Usage: bootyard'],
    [['node'], 'Usage: bootyard node'],
    [['fly'], "unknown command 'fly'"],
    [['node', 'fly'], "unknown command 'fly'"],
    [['node', 'show', '--fly'], "unknown option '--fly'"],
    [['node', 'boot'], "missing required argument 'set'"],
    [['node', 'run', 'vnode1'], "missing required argument 'command'"],
    [['node', 'wait', 'vnode1', '--timeout', 'soon'], '--timeout takes a number of seconds'],
    [
      ['node', 'config', 'vnode1', 'ram'],
      'Please provide settings as `<setting name>=<setting value>` arguments.',
    ],
    [['node', 'create', 'vnode1', '--set', '=1G'], 'Please provide settings as'],
    [['image', 'import', 'x.tar', 'x', '--label', 'a'], 'Please provide labels as'],
    [['image', 'build-default', '--packages', 'docker.io'], 'name it with --as'],
    [['image', 'build-default', '--as', 'x', '--packages', 'a b'], "'a b' is no name of a Debian package"],
    [['image', 'build-default', '--as', 'x', '--files', '/nowhere'], '--files takes a folder'],
    [['image', 'build-default', 'pc-x86-64-tiny', '--as', 'x'], 'leave the other names out'],
    [['image', 'remove'], "missing required argument 'image'"],
    [['completion', 'fish'], 'bash and zsh'],
  ])('%j is a usage error', async (args, sentence) => {
    const { code, stdout, stderr } = await bootyard(args);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/^ +at /m);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test.each([
    [['node', 'config', 'vnode1', 'wings=2'], "Unknown setting 'wings'."],
    [
      ['node', 'create', 'vnode1', '--set', 'ram=lots'],
      "ram value should be a number and M or G, such as 512M, not 'lots'",
    ],
  ])('%j fails with a sentence', async (args, sentence) => {
    const { code, stderr } = await bootyard(args);
    expect(stderr).toContain(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('lab status says stopped, for people and for programs, and starts nothing', async () => {
    const json = await bootyard(['lab', 'status', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      state: 'stopped',
      acceleration: 'unknown',
      network: { address: '192.168.152.1' },
      nodes: { booted: 0, total: 0 },
    });
    expect(await bootyard(['lab', 'status'])).toEqual({
      code: 0,
      stdout: 'The lab is stopped.\n',
      stderr: '',
    });
    expect(await bootyard(['lab', 'stop'])).toMatchObject({ code: 0, stdout: 'The lab was not running.\n' });
  });

  test('help and version are results', async () => {
    expect((await bootyard(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await bootyard(['node', 'create', '--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('--image');
  });

  test('completes nouns, verbs, options and settings', async () => {
    expect(await complete('no')).toEqual(['node']);
    expect(await complete('node', 're')).toEqual(['rename', 'remove', 'reboot']);
    expect(await complete('node', 'show', '--n')).toEqual(['--names-only']);
    expect(await complete('node', 'config', 'a', 'r')).toEqual(['ram=']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh']);
    expect(await complete('node', 'shell', 'a', '')).toEqual([]);
  });

  test('the completion scripts are sound', async () => {
    const { stdout } = await bootyard(['completion', 'bash']);
    const check = spawn('bash', ['-n'], { stdio: ['pipe', 'inherit', 'inherit'] });
    check.stdin.end(stdout);
    expect(await new Promise((resolve) => check.on('exit', resolve))).toBe(0);
  });
});

describe('with a daemon', () => {
  let handlers: Partial<ServedHandlers>;
  let server: ApiServer;
  beforeEach(async () => {
    handlers = {};
    const paths = labPaths(env);
    mkdirSync(paths.run, { recursive: true });
    const chosen = new Proxy(basicHandlers, {
      get: (basic, name: keyof ServedHandlers) => handlers[name] ?? basic[name],
    });
    server = new ApiServer({
      socketPath: paths.daemonSocket,
      handlers: chosen,
      snapshot: () => ({ nodes: [], images: [], lab: LAB }),
      version: '1.2.3',
      log: () => {},
    });
    await server.start();
  });
  afterEach(() => server.close());

  function stage(name: string, stageName: string, atMs: number): void {
    const subject = { type: 'stage' as const, mac: node(name).mac, name };
    server.publishChange({ ...subject, stage: stageName, detail: `d\u001b[2J${atMs}`, atMs });
  }

  test('node show prints a table, names or JSON', async () => {
    handlers['node.list'] = () => [
      { ...node('vnode1'), state: 'booted' },
      { ...node('v2', 'kernel panic'), state: 'failed' },
    ];
    const { stdout } = await bootyard(['node', 'show']);
    expect(stdout).toBe(
      [
        'You currently own the following nodes:',
        '',
        'name    model      image  ip             state   reason',
        '------  ---------  -----  -------------  ------  ------------',
        'vnode1  pc-x86-64  tiny   192.168.152.2  booted',
        'v2      pc-x86-64  tiny   192.168.152.2  failed  kernel panic',
        '',
      ].join('\n'),
    );
    expect((await bootyard(['node', 'show', '--names-only'])).stdout).toBe('vnode1\nv2\n');
    const json = z.array(z.object({ name: z.string(), settings: z.object({}) }));
    expect(json.parse(JSON.parse((await bootyard(['node', 'show', '--json'])).stdout))).toHaveLength(2);
  });

  test('a daemon error is one sentence and exit code 1', async () => {
    handlers['node.stop'] = () => {
      throw new BootyardError('node.unknown', "No node is named 'x'.");
    };
    expect(await bootyard(['node', 'stop', 'x'])).toEqual({
      code: 1,
      stdout: '',
      stderr: "No node is named 'x'.\n",
    });
  });

  test('node create hands settings over and says what happens', async () => {
    let heard: unknown;
    handlers['node.create'] = (params) => {
      heard = params;
      return node(params.name);
    };
    const args = ['node', 'create', 'vnode1', '--image', 'tiny', '--set', 'ram=1G', '--set', 'cpu.cores=2'];
    const { stdout } = await bootyard(args);
    expect(heard).toEqual({ name: 'vnode1', image: 'tiny', settings: { ram: '1G', 'cpu.cores': 2 } });
    expect(stdout).toBe(
      'Node vnode1 is now booting your image "tiny".\nUse `bootyard node boot vnode1 <other-image>` if needed.\n',
    );
  });

  test('node config without settings lists them, sorted, defaults included', async () => {
    const { stdout } = await bootyard(['node', 'config', 'vnode1']);
    const [title, ...lines] = stdout.trim().split('\n');
    expect(title).toBe('Node vnode1 has the following config applied:');
    expect(lines).toContain('ram=512M');
    expect(lines).toEqual(lines.toSorted());
  });

  test('node boot --wait prints a line per stage of its nodes until they are booted', async () => {
    handlers['node.boot'] = () => {
      stage('a', 'firmware', 0);
      server.publishChange({ type: 'stage', mac: 'other', name: 'z', stage: 'init', detail: '', atMs: 1 });
      return [node('a')];
    };
    handlers['node.wait'] = () => {
      stage('a', 'kernel', 2400);
      return [node('a')];
    };
    const { code, stdout } = await bootyard(['node', 'boot', '--wait', 'a']);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'Node a is now booting your image "tiny".',
      '   0.0 s  firmware    d [2J0',
      '   2.4 s  kernel      d [2J2400',
      '',
    ]);
  });

  test('node boot --wait fails when the node fails', async () => {
    handlers['node.boot'] = () => [node('a')];
    handlers['node.wait'] = () => {
      throw new BootyardError('node.failed', 'Node a failed: kernel panic.');
    };
    const { code, stderr } = await bootyard(['node', 'boot', '--wait', 'a']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'Node a failed: kernel panic.\n' });
  });

  test('node run on one node hands over its output and exit code as they are', async () => {
    Object.assign(handlers, { 'node.list': booted, 'node.shellCommand': here });
    const outcome = await bootyard(['node', 'run', 'a', 'cat; echo no >&2; exit', '7'], 'typed');
    expect(outcome).toEqual({ code: 7, stdout: 'typed', stderr: 'no\n' });
  });

  test('node run passes options of the command on', async () => {
    Object.assign(handlers, { 'node.list': booted, 'node.shellCommand': here });
    expect((await bootyard(['node', 'run', 'a', 'echo', '--help', '-x'])).stdout).toBe('--help -x\n');
  });

  test('node run on several runs them together, names their lines and sums up', async () => {
    Object.assign(handlers, { 'node.list': booted, 'node.shellCommand': here });
    // Each waits for the other: one after the other would never end.
    const meet = `echo "in $0"; touch ${folder}/$0; while [ ! -e ${folder}/a ] || [ ! -e ${folder}/b ]; do sleep 0.01; done`;
    const outcome = await bootyard(['node', 'run', 'a,b', `${meet}; [ $0 = a ] || exit 3`]);
    expect(outcome.stdout.trim().split('\n').toSorted()).toEqual(['a: in a', 'b: in b']);
    expect(outcome).toMatchObject({ code: 1, stderr: 'b: exit code 3\n' });
  });

  test('node shell has the terminal, waits first, and ctrl-C really proceeds', async () => {
    const cancelled = Promise.withResolvers<void>();
    handlers['node.shellCommand'] = () => ({ argv: ['sh', '-c', 'read line; echo "got $line"; exit 9'] });
    handlers['node.wait'] = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          cancelled.resolve();
          reject(new Error('aborted'));
        });
      });
    const screen = terminal(['node', 'shell', 'vnode1']);
    await screen.shows('Node bootup notification still pending (press ctrl-C to proceed anyway)');
    screen.type('\u0003');
    await cancelled.promise;
    await screen.shows('Caution: changes outside /persist will be lost on next node reboot.');
    screen.type('hello\r');
    await screen.shows('got hello');
    expect(await screen.exit).toBe(9);
  });

  test('ctrl-C cancels a call', async () => {
    const cancelled = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    handlers['node.wait'] = (_, { signal, progress }) =>
      new Promise((_resolve, reject) => {
        progress({ message: 'half way', fraction: 0.5 });
        started.resolve();
        signal.addEventListener('abort', () => {
          cancelled.resolve();
          reject(new Error('aborted'));
        });
      });
    const screen = terminal(['node', 'wait', 'vnode1']);
    await screen.shows('Waiting for bootup of vnode1');
    await screen.shows('half way 50 %');
    screen.type('\u0003');
    expect(await screen.exit).toBe(130);
    await cancelled.promise;
    expect(screen.text()).toContain('Cancelled.');
  });

  test('node remove asks on a terminal, and refuses without one', async () => {
    const forced: boolean[] = [];
    handlers['node.remove'] = ({ force }) => {
      forced.push(force);
      if (!force) throw new BootyardError('node.running', 'Node vnode1 is running.');
      return {};
    };
    expect(await bootyard(['node', 'remove', 'vnode1'])).toMatchObject({
      code: 1,
      stderr: 'Node vnode1 is running. Use --force to go on.\n',
    });
    const no = terminal(['node', 'remove', 'vnode1']);
    await no.shows('(y/n)');
    no.type('n\r');
    expect(await no.exit).toBe(1);
    const yes = terminal(['node', 'remove', 'vnode1']);
    await yes.shows('(y/n)');
    yes.type('y\r');
    expect(await yes.exit).toBe(0);
    expect(forced).toEqual([false, false, false, true]);
    const stopped = terminal(['node', 'remove', 'vnode1']);
    await stopped.shows('(y/n)');
    stopped.type('\u0003');
    expect(await stopped.exit).toBe(130);
  });

  function consoleOf(history: Uint8Array): Promise<ByteStream> {
    const opened = Promise.withResolvers<ByteStream>();
    handlers['node.console'] = (_, context) => {
      const stream = context.openStream();
      stream.write(history);
      opened.resolve(stream);
      return { stream: stream.id };
    };
    return opened.promise;
  }

  test("node console on a terminal is two-way; ctrl-a d leaves, ctrl-C is the node's", async () => {
    const opened = consoleOf(Buffer.from('login: '));
    const screen = terminal(['node', 'console', 'vnode1']);
    const stream = await opened;
    const typed = Promise.withResolvers<string>();
    let keys = '';
    stream.onData((data) => {
      keys += Buffer.from(data).toString();
      if (keys.endsWith('!')) typed.resolve(keys);
    });
    await screen.shows('login: ');
    await screen.shows('<ctrl-a> d leaves');
    screen.type('root\r\u0003\u0001a!');
    expect(await typed.promise).toBe('root\r\u0003\u0001!');
    stream.write(Buffer.from('welcome'));
    await screen.shows('welcome');
    screen.type('\u0001d');
    expect(await screen.exit).toBe(0);
  });

  test('node console without a terminal prints the whole history, byte by byte', async () => {
    const history = Buffer.alloc(3_000_000, 'boot line\n');
    void consoleOf(history);
    const { code, stdout } = await bootyard(['node', 'console', 'vnode1']);
    expect(code).toBe(0);
    expect(stdout === history.toString()).toBe(true);
  });

  test('node console ends with the sentence of the daemon', async () => {
    const opened = consoleOf(Buffer.from('x'));
    const screen = terminal(['node', 'console', 'vnode1']);
    const stream = await opened;
    await screen.shows('<ctrl-a> d leaves');
    stream.end('Node vnode1 was removed.');
    await screen.shows('Node vnode1 was removed.');
    expect(await screen.exit).toBe(0);
  });

  test('names of nodes complete, in sets too', async () => {
    handlers['node.list'] = () => [node('vnode1'), node('vnode2')];
    expect(await complete('node', 'shell', 'v')).toEqual(['vnode1', 'vnode2']);
    expect(await complete('node', 'boot', 'vnode1,vnode2')).toEqual(['vnode1,vnode2']);
    expect(await complete('node', 'boot', 'vnode1,')).toEqual([
      'vnode1,vnode1',
      'vnode1,vnode2',
      'vnode1,all-nodes',
    ]);
  });

  test('image show prints compatibility and use', async () => {
    const image = {
      name: 'tiny',
      id: 'a'.repeat(64),
      labels: {},
      sizeBytes: 12_300_000,
      created: '2025-01-02T03:04:05Z',
      inUse: true,
      nodes: ['vnode1'],
      layers: 1,
      models: ['pc-x86-64'],
    };
    handlers['image.list'] = () => [image];
    const { stdout } = await bootyard(['image', 'show']);
    expect(stdout).toContain('tiny  True    2025-01-02 03:04:05  12.3 MB  pc-x86-64');
    expect(JSON.parse((await bootyard(['image', 'show', '--json'])).stdout)).toEqual([image]);
  });
});

describe('parts', () => {
  test('escape keys may come in pieces', () => {
    const keys = new EscapeKeys();
    expect(keys.feed(Buffer.from('ab\u0001'))).toEqual({ send: Buffer.from('ab'), leave: false });
    expect(keys.feed(Buffer.from('x\u0001a'))).toEqual({ send: Buffer.from('\u0001x\u0001'), leave: false });
    expect(keys.feed(Buffer.from('\u0001\u0001'))).toEqual({
      send: Buffer.from('\u0001\u0001'),
      leave: false,
    });
    expect(keys.feed(Buffer.from('y\u0001dz'))).toEqual({ send: Buffer.from('y'), leave: true });
  });

  test('copied lines are whole, whatever the pieces, and never endless', async () => {
    let text = '';
    const out = new Writable({
      write: (chunk, _encoding, done) => {
        text += String(chunk);
        done();
      },
    });
    await copyLines(
      Readable.from([Buffer.from('on'), Buffer.from('e\ntwo\n\nla'), Buffer.from('st')]),
      out,
      'n: ',
    );
    expect(text).toBe('n: one\nn: two\nn: \nn: last\n');
    text = '';
    await copyLines(Readable.from([Buffer.alloc(70_000, 'x')]), out, '');
    expect(text).toHaveLength(70_001);
  });

  test('tables and sizes', () => {
    expect(formatTable(['a', 'long'], [['1\u001b[0m', '']])).toBe('a      long\n-----  ----\n1 [0m');
    expect([0, 999, 1000, 12_345_678, 150e9].map(formatSize)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '12.3 MB',
      '150 GB',
    ]);
  });
});
