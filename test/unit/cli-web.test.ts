import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { logHandlers } from '../../backend/api/log-handlers.ts';
import { BootyardError } from '../../backend/errors.ts';
import { Checkpoints } from '../../backend/logs/checkpoints.ts';
import { LogRetention } from '../../backend/logs/retention.ts';
import { LabSettings } from '../../backend/state/lab-settings.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine, program } from '../support/cli.ts';
import { Logs, VNODE2 } from './logs/support.ts';

const run = promisify(execFile);
const cli = new CommandLine();
const logs = new Logs();
let web: ChildProcess;
let base: string;

const ID = 'a'.repeat(64);
const image = (name: string, inUse: boolean) => ({
  ...{ name, id: ID, labels: {}, sizeBytes: 1, ownBytes: 1, nodes: [], layers: 1, inUse },
  ...{ created: '2026-01-02T03:04:05.678Z', models: ['pc-x86-64'] },
});

async function startDaemon(): Promise<void> {
  await cli.startDaemon();
  Object.assign(cli.handlers, {
    'node.list': () => [
      { ...node('vnode1'), state: 'booted', settings: { netsetup: 'NAT', ram: '512M' } },
      { ...node('vnode2'), image: 'anna/router:v2' },
    ],
    'image.list': () => [image('tiny', true), image('anna/router:v2', false)],
    ...logHandlers({
      reader: logs.reader,
      checkpoints: new Checkpoints(logs.database),
      retention: new LogRetention({
        store: logs.store,
        settings: new LabSettings(logs.database),
        log: () => undefined,
      }),
      streams: () => [],
    }),
  });
}

beforeAll(async () => {
  await startDaemon();
  web = spawn(process.execPath, [program, 'lab', 'web', '--port', '0'], { env: cli.env });
  for await (const line of createInterface({ input: web.stdout ?? process.stdin })) {
    base = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? '';
    break;
  }
});
afterAll(async () => {
  web.kill('SIGINT');
  await once(web, 'close');
  await cli.stopDaemon();
  logs.close();
  cli.remove();
});

interface Page {
  status: number;
  type: string;
  body: string;
}
async function curl(path: string, ...options: string[]): Promise<Page> {
  const format = '\n%{http_code} %{content_type}';
  const { stdout } = await run('curl', ['-sg', '-w', format, ...options, `${base}${path}`], {
    maxBuffer: 2 ** 26,
  });
  const end = stdout.lastIndexOf('\n');
  const [status = '', type = ''] = stdout.slice(end + 1).split(/ (.*)/);
  return { status: Number(status), type, body: stdout.slice(0, end) };
}
async function json(path: string): Promise<Record<string, unknown>> {
  const { status, type, body } = await curl(path);
  expect([status, type]).toEqual([200, 'application/json; charset=utf-8']);
  return JSON.parse(body) as Record<string, unknown>;
}
async function names(path: string, list: string, key: string): Promise<unknown[]> {
  const items = (await json(path))[list];
  return Array.isArray(items) ? items.map((item: Record<string, unknown>) => item[key]) : [];
}

describe('nodes and images', () => {
  test('nodes have the fields of WalT', async () => {
    const { num_nodes: count, nodes } = await json('/api/v1/nodes');
    expect(count).toBe(2);
    expect(nodes).toEqual([
      {
        name: 'vnode1',
        model: 'pc-x86-64',
        virtual: true,
        image: 'tiny:latest',
        booted: true,
        ip: '192.168.152.2',
        mac: '52:54:00:00:00:01',
        config: { netsetup: 1, ram: '512M' },
      },
      expect.objectContaining({ image: 'anna/router:v2', booted: false, config: { netsetup: 0 } }),
    ]);
  });

  test('images have the fields of WalT', async () => {
    const { num_images: count, images } = await json('/api/v1/images');
    expect(count).toBe(2);
    expect(images).toEqual([
      {
        fullname: 'tiny:latest',
        user: '',
        id: ID,
        in_use: true,
        created: '2026-01-02 03:04:05',
        compatibility: ['pc-x86-64'],
      },
      expect.objectContaining({ fullname: 'anna/router:v2', user: 'anna', in_use: false }),
    ]);
  });

  test.each([
    ['/api/v1/nodes?booted=true', 'nodes', 'name', ['vnode1']],
    ['/api/v1/nodes?booted=false&virtual=true', 'nodes', 'name', ['vnode2']],
    ['/api/v1/nodes?image=tiny:latest', 'nodes', 'name', ['vnode1']],
    ['/api/v1/nodes?name=vnode1&booted=false', 'nodes', 'name', []],
    ['/api/v1/images?user=anna&in_use=false', 'images', 'fullname', ['anna/router:v2']],
    [`/api/v1/images?id=${ID}`, 'images', 'user', ['', 'anna']],
  ])('%s', async (path, list, key, expected) => {
    expect(await names(path, list, key)).toEqual(expected);
  });
});

describe('logs', () => {
  const at = (ms: number): number => Date.UTC(2026, 0, 2, 3, 4, 5) + ms;
  beforeAll(() => {
    logs.put('one', { timestamp: at(0) });
    logs.put('two', { timestamp: at(0.25), node: VNODE2, stream: 'net.console' });
    logs.put('"three"\u0007', { timestamp: at(1), node: undefined, stream: 'platform.nodes' });
    logs.put('four', { timestamp: at(2), node: VNODE2, stream: 'netXconsole' });
  });
  const range = (from: number, to: number, unit = 1): string =>
    `/api/v1/logs?from=${at(from) / unit}&to=${at(to) / unit}`;

  test('lines have the fields of WalT, in seconds or milliseconds', async () => {
    expect(await json(range(0, 1, 1000))).toEqual({
      num_logs: 3,
      logs: [
        { timestamp: at(0) / 1000, line: 'one', issuer: 'vnode1', stream: 'app' },
        { timestamp: (at(0) * 1000 + 250) / 1e6, line: 'two', issuer: 'vnode2', stream: 'net.console' },
        { timestamp: at(1) / 1000, line: '"three"\u0007', issuer: 'walt-server', stream: 'platform.nodes' },
      ],
    });
    expect(await json(`${range(0.25, 0.25)}&ts_unit=ms`)).toEqual({
      num_logs: 1,
      logs: [{ timestamp: at(0.25), line: 'two', issuer: 'vnode2', stream: 'net.console' }],
    });
  });

  test('of one issuer, of one stream by its whole name', async () => {
    const all = range(0, 9, 1000);
    expect(await names(`${all}&issuer=vnode2`, 'logs', 'line')).toEqual(['two', 'four']);
    expect(await names(`${all}&issuer=walt-server`, 'logs', 'line')).toEqual(['"three"\u0007']);
    expect(await names(`${all}&stream=net.console`, 'logs', 'line')).toEqual(['two']);
    expect(await names(`${all}&stream=net`, 'logs', 'line')).toEqual([]);
    expect(await names(`${all}&stream=(`, 'logs', 'line')).toEqual([]);
  });

  test('many lines come whole', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    for (const [index, line] of lines.entries()) logs.put(line, { timestamp: at(10_000 + index) });
    const path = range(10, 60, 1000).replace(/to=.*/, `to=${at(100_000) / 1000}`);
    const { num_logs: count } = await json(path);
    expect(count).toBe(20_000);
    expect(await names(path, 'logs', 'line')).toEqual(lines);
  });

  test.each([
    ['/api/v1/logs', 'from: expected is a time since the Unix Epoch, such as 1727090181.5'],
    ['/api/v1/logs?from=1&to=x', 'to: expected is a time since the Unix Epoch, such as 1727090181.5'],
    ['/api/v1/logs?from=2&to=1', 'to: it lies before from'],
    ['/api/v1/logs?from=1&to=2&ts_unit=h', 'ts_unit: Invalid option: expected one of "s"|"ms"'],
    ['/api/v1/nodes?booted=yes', 'booted: Invalid option: expected one of "true"|"false"'],
    ['/api/v1/nodes?config=1', 'Unrecognized key: "config"'],
  ])('%s is refused', async (path, what) => {
    const sentence = `The query is not understood: ${what}.`;
    expect(await curl(path)).toEqual({
      status: 400,
      type: 'application/json; charset=utf-8',
      body: JSON.stringify({ error: sentence }),
    });
  });

  test('an issuer that is none is one sentence, as text for those who prefer that', async () => {
    expect(await curl(`${range(0, 1, 1000)}&issuer=nobody`, '-H', 'Prefer: errors=text-only')).toEqual({
      status: 400,
      type: 'text/plain; charset=utf-8',
      body: "Sorry, nothing that logs is named 'nobody'. (tip: bootyard node show)\n",
    });
  });
});

describe('who may ask, and how', () => {
  test.each([
    ['evil.example', 403],
    ['evil.example:80', 403],
    ['127.0.0.1.evil.example', 403],
    ['', 400],
    ['LOCALHOST:1234', 200],
    ['127.0.0.1', 200],
  ])('host %j: %d', async (host, expected) => {
    expect((await curl('/api/v1/nodes', '-H', host === '' ? 'Host:' : `Host: ${host}`)).status).toBe(
      expected,
    );
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('%s is refused', async (method) => {
    const { stdout } = await run('curl', ['-sgi', '-m', '20', '-X', method, '-I', `${base}/api/v1/nodes`]);
    expect(stdout).toMatch(/^HTTP\/1.1 405 [^]*\r\nAllow: GET\r\n/);
  });

  test.each(['/', '/api/v1/nodes/', '/api/v1/../v1/nothing', '//', '/%00'])(
    '%s is not there',
    async (path) => {
      expect(await curl(path, '--path-as-is')).toMatchObject({
        status: 404,
        body: expect.stringContaining('there are /api/v1/nodes, /api/v1/images, /api/v1/logs'),
      });
    },
  );

  test('it listens on 127.0.0.1 alone', async () => {
    const port = Number(new URL(base).port);
    const other = createServer();
    await new Promise<void>((resolve, reject) => {
      other.once('error', reject);
      other.listen(port, '127.0.0.2', resolve);
    });
    other.close();
  });

  test('what goes wrong in the daemon is told, and said on the terminal', async () => {
    const said = once(web.stderr ?? process.stdin, 'data');
    const list = cli.handlers['node.list'];
    cli.handlers['node.list'] = () => {
      throw new BootyardError('state.broken', 'The disk is full.');
    };
    expect(await curl('/api/v1/nodes')).toMatchObject({ status: 500, body: '{"error":"The disk is full."}' });
    expect(String((await said)[0])).toBe('/api/v1/nodes: The disk is full.\n');
    cli.handlers['node.list'] = list;
  });

  test('without a lab it says so and starts none; a daemon that comes back is found again', async () => {
    await cli.stopDaemon();
    expect(await curl('/api/v1/nodes')).toMatchObject({ status: 503 });
    await startDaemon();
    expect(await names('/api/v1/nodes', 'nodes', 'name')).toEqual(['vnode1', 'vnode2']);
  });

  test('a port that is taken is one sentence', async () => {
    const port = new URL(base).port;
    expect(await cli.run(['lab', 'web', '--port', port])).toMatchObject({
      code: 1,
      stderr: `Port ${port} of this host is already in use.\n`,
    });
    expect((await cli.run(['lab', 'web', '--port', 'x'])).code).toBe(2);
  });
});
