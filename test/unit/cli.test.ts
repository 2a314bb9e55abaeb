import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { EscapeKeys } from '../../backend/cli/escape-keys.ts';
import { formatSize, formatTable } from '../../backend/cli/table.ts';
import { BootyardError } from '../../backend/errors.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
const { run: bootyard, terminal } = cli;
afterAll(() => cli.remove());

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
    [['node', 'console', 'vnode1', '--replay', 'begin:'], "'begin:' is no range"],
    [['node', 'console', 'vnode1', '--replay', '--speed', '0'], '--speed takes a factor from 0.01'],
    [['node', 'console', 'vnode1', '--speed', '2'], '--speed is for --replay'],
    [['node', 'blink', 'vnode1', '0'], 'A node blinks for 1 to 86400 seconds'],
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
});

describe('with a daemon', () => {
  beforeEach(() => cli.startDaemon());
  afterEach(() => cli.stopDaemon());

  function stage(name: string, stageName: string, atMs: number): void {
    const subject = { type: 'stage' as const, mac: node(name).mac, name };
    cli.publish({ ...subject, stage: stageName, detail: `d\u001b[2J${atMs}`, atMs });
  }

  test('node show prints a table, names or JSON', async () => {
    cli.handlers['node.list'] = () => [
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
    cli.handlers['node.stop'] = () => {
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
    cli.handlers['node.create'] = (params) => {
      heard = params;
      return node(params.name);
    };
    const args = ['node', 'create', 'vnode1', '--image', 'tiny', '--set', 'ram=1G', '--set', 'cpu.cores=2'];
    const { stdout } = await bootyard(args);
    expect(heard).toEqual({
      name: 'vnode1',
      image: 'tiny',
      settings: { ram: '1G', 'cpu.cores': 2 },
      powerOn: true,
    });
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
    cli.handlers['node.boot'] = () => {
      stage('a', 'firmware', 0);
      cli.publish({ type: 'stage', mac: 'other', name: 'z', stage: 'init', detail: '', atMs: 1 });
      return [node('a')];
    };
    cli.handlers['node.wait'] = () => {
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
    cli.handlers['node.boot'] = () => [node('a')];
    cli.handlers['node.wait'] = () => {
      throw new BootyardError('node.failed', 'Node a failed: kernel panic.');
    };
    const { code, stderr } = await bootyard(['node', 'boot', '--wait', 'a']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'Node a failed: kernel panic.\n' });
  });

  test('ctrl-C cancels a call', async () => {
    const cancelled = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    cli.handlers['node.wait'] = (_, { signal, progress }) =>
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
    expect(screen.text).toContain('Cancelled.');
  });

  test('node remove asks on a terminal, and refuses without one', async () => {
    const forced: boolean[] = [];
    cli.handlers['node.remove'] = ({ force }) => {
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

  test('image show prints compatibility and use', async () => {
    const image = {
      name: 'tiny',
      id: 'a'.repeat(64),
      labels: {},
      sizeBytes: 12_300_000,
      ownBytes: 12_300_000,
      created: '2025-01-02T03:04:05Z',
      inUse: true,
      nodes: ['vnode1'],
      layers: 1,
      models: ['pc-x86-64'],
      lint: { errors: 1, warnings: 2, infos: 3 },
    };
    cli.handlers['image.list'] = () => [image];
    const { stdout } = await bootyard(['image', 'show']);
    expect(stdout).toContain(
      'tiny  True    2025-01-02 03:04:05  12.3 MB  12.3 MB  pc-x86-64      1 error, 2 warnings',
    );
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
