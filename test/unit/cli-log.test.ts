import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { logHandlers } from '../../backend/api/log-handlers.ts';
import { compileFormat } from '../../backend/cli/log-format.ts';
import { Checkpoints } from '../../backend/logs/checkpoints.ts';
import { LogRetention } from '../../backend/logs/retention.ts';
import { LabSettings } from '../../backend/state/lab-settings.ts';
import { CommandLine, type Outcome } from '../support/cli.ts';
import { Logs, VNODE2 } from './logs/support.ts';

const cli = new CommandLine();
let logs: Logs;
afterAll(() => cli.remove());
beforeEach(async () => {
  await cli.startDaemon();
  logs = new Logs();
  const settings = new LabSettings(logs.database);
  Object.assign(
    cli.handlers,
    logHandlers({
      reader: logs.reader,
      checkpoints: new Checkpoints(logs.database),
      retention: new LogRetention({ store: logs.store, settings, log: () => undefined }),
      streams: () => logs.store.streams().map(({ name }) => name),
    }),
  );
});
afterEach(async () => {
  await cli.stopDaemon();
  logs.close();
});

const log = (...args: string[]): Promise<Outcome> => cli.run(['log', ...args]);
/** A command that watches; `started` resolves when it does. */
function watching(...args: string[]): { outcome: Promise<Outcome>; started: Promise<void> } {
  const asked = Promise.withResolvers<void>();
  const read = cli.handlers['log.read'];
  cli.handlers['log.read'] = async (params, context) => {
    const answer = await read?.(params, context);
    asked.resolve();
    return answer ?? { stream: 0 };
  };
  return { outcome: log(...args), started: asked.promise };
}

test('log show --raw writes the bytes of a console, and those of lines, and nothing else', async () => {
  const stream = 'virtualconsole';
  const raw = Buffer.from('\x1b[32m\xff\0ok\r\n', 'latin1');
  logs.put('ok', { stream, raw });
  logs.put('[1 lines were left out]', { stream, raw: Buffer.alloc(0) });
  logs.put('no end', { stream, raw: Buffer.from('no end') });
  logs.put('an app', { timestamp: Date.now() + 10 });
  const all = ['show', '--history', 'full'];
  expect((await log(...all, '--format', '{line}')).stdout).toBe(
    'ok\n[1 lines were left out]\nno end\nan app\n',
  );
  const { stdout, code } = await log(...all, '--raw');
  expect([code, stdout]).toEqual([0, '\x1b[32m\ufffd\0ok\r\nno endan app\n']);
  expect((await log(...all, '--raw', '--streams', stream, '^ok$')).stdout).toBe('\x1b[32m\ufffd\0ok\r\n');
  for (const other of [['--json'], ['--format', 'x']]) {
    const refused = await log(...all, '--raw', ...other);
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain('--raw writes bytes into a file or a pipe');
  }
});

test('log show --history prints lines as WalT does, and their bytes as they came', async () => {
  const time = new Date(2026, 10, 22, 7, 8, 9, 5).getTime() + 0.25;
  logs.put('caf\u00e9', { timestamp: time });
  logs.put('\u00ff', { timestamp: time, bytes: Buffer.from([0xff]) });
  const { stdout, code } = await log('show', '--history', 'full');
  expect([code, stdout]).toEqual([
    0,
    '07:08:09.005250 vnode1.app -> caf\u00e9\n07:08:09.005250 vnode1.app -> \ufffd\n',
  ]);
  const json = (await log('show', '--history', ':', '--json')).stdout.trim().split('\n');
  expect(json.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      timestamp: expect.stringMatching(/^2026-11-2\dT\d\d:08:09\.005250Z$/),
      issuer: 'vnode1',
      stream: 'app',
      line: 'caf\u00e9',
    },
    { timestamp: expect.any(String), issuer: 'vnode1', stream: 'app', line: '\u00ff', base64: '/w==' },
  ]);
});

test('a terminal gets no control characters of a node', async () => {
  logs.put('\u001b[2Jevil\u0007');
  const screen = cli.terminal(['log', 'show', '--history', 'full', '--format', '<{line}>']);
  await screen.shows('< [2Jevil >');
  expect(await screen.exit).toBe(0);
});

const show = async (...args: string[]): Promise<string[]> =>
  (await log('show', '--format', '{line}', ...args)).stdout.split('\n').slice(0, -1);

test('filters of issuers, streams and lines', async () => {
  logs.put('mid 1');
  logs.put('mid 2', { node: VNODE2, stream: 'other' });
  logs.put('served', { node: undefined, stream: 'platform.nodes' });
  logs.put('said', { node: undefined, stream: 'daemon.stderr' });
  const all = ['--history', 'full'];
  expect(await show(...all, '--nodes', 'vnode1,server', '--streams', '^(app|other|platform.*)$')).toEqual([
    ...['mid 1', 'served'],
  ]);
  expect(await show(...all, '--streams', '^other$', '^mid')).toEqual(['mid 2']);
  expect(await show(...all, '--platform')).toEqual(['served']);
  expect(await show(...all, '--server')).toEqual(['said']);
});

test('checkpoints are the ends of ranges', async () => {
  const now = Date.now();
  logs.put('old', { timestamp: now - 3_600_000 });
  logs.put('mid', { timestamp: now - 600_000 });
  expect((await log('add-checkpoint', 'start', '--date', '-30m')).stdout).toMatch(
    /^New checkpoint start recorded at server time: \d{4}(-\d\d){2} \d\d(:\d\d){2}\.\n$/,
  );
  expect(await show('--history', 'start:-5m')).toEqual(['mid']);
  expect(await show('--history', '-2h:start')).toEqual(['old']);
  expect((await log('list-checkpoints')).stdout).toMatch(/\d +start\n$/);
  expect((await log('remove-checkpoint', 'start')).stdout).toBe('Done.\n');
});

test('log wait ends at the first line that matches, and with ALL when each has logged one', async () => {
  const any = watching('wait', 'DONE');
  await any.started;
  logs.put('not yet');
  logs.put('DONE at last', { node: VNODE2 });
  expect(await any.outcome).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/vnode2.app -> DONE at last\n$/),
  });
  const all = watching('wait', '--mode', 'all', '--issuers', 'vnode1,vnode2', '--format', '{issuer}', 'DONE');
  await all.started;
  logs.put('DONE');
  logs.put('DONE again');
  logs.put('DONE', { node: VNODE2 });
  logs.put('DONE too late', { node: VNODE2 });
  expect(await all.outcome).toEqual({ code: 0, stdout: 'vnode1\nvnode1\nvnode2\n', stderr: '' });
});

test('log wait looks back by --time-margin, and gives up by --timeout', async () => {
  logs.put('DONE', { timestamp: Date.now() - 20_000 });
  expect((await log('wait', '--time-margin', '60', 'DONE')).code).toBe(0);
  const late = await log('wait', '--time-margin', '10', '--timeout', '0.3', 'DONE');
  expect(late).toEqual({ code: 1, stdout: '', stderr: 'Timeout was reached.\n' });
});

test('log show --realtime prints what comes until ctrl-C', async () => {
  logs.put('before');
  const screen = cli.terminal(['log', 'show', '--realtime', '--history', '-1h:', '--format', '<{line}>']);
  await screen.shows('<before>');
  logs.put('after');
  await screen.shows('<after>');
  screen.type('\u0003');
  expect(await screen.exit).toBe(130);
});

test('log retention shows and sets', async () => {
  expect((await log('retention')).stdout).toBe(
    'Lines are kept for 30d, and 2G of them at most: now 0 lines, 0 B.\n',
  );
  expect(JSON.parse((await log('retention', '--age', '12h', '--size', '500M', '--json')).stdout)).toEqual({
    ...{ age: '12h', size: '500M', lines: 0, bytes: 0 },
  });
  expect(await log('retention', '--age', 'soon')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('such as 30d'),
  });
});

test.each([
  [['show'], 2, 'You must specify at least 1 of the options --realtime and --history.'],
  [['show', '--history', 'soon'], 1, "'soon' is no range"],
  [['show', '--history', 'full', '('], 1, 'Invalid regular expression: ('],
  [['show', '--history', 'full', '--streams', '\\d'], 1, 'write [0-9]'],
  [['show', '--history', 'full', '--issuers', 'nobody'], 1, "named 'nobody'"],
  [['show', '--history', 'full', '--format', '{lines}'], 2, 'Verify your format string'],
  [['show', '--history', 'full', '--platform', '--streams', 'x'], 2, '--platform and --server'],
  [['wait', '--mode', 'SOME', 'x'], 2, "--mode is ANY or ALL, not 'SOME'."],
  [['wait', '--time-margin', 'x', 'x'], 2, '--time-margin takes a number of seconds'],
  [['add-checkpoint', 'cp1', '--date', '2015-13-28 15:16:39'], 2, 'Could not parse the date specified.'],
  [['add-checkpoint', 'cp1', '--date', '-5w'], 1, 'Invalid relative date.'],
  [['add-checkpoint', '-'], 1, 'Invalid checkpoint name:'],
  [['remove-checkpoint', 'cp1'], 1, "Failed: no checkpoint with this name 'cp1'."],
])('log %s is refused with a sentence', async (args, code, sentence) => {
  expect(await log(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(sentence) });
});

describe('formats', () => {
  const record = {
    id: 1,
    time: Date.UTC(2026, 10, 2, 3, 4, 5) * 1000 + 67,
    issuer: 'vnode1',
    stream: 'app',
    line: Buffer.from('text'),
  };
  test.each([
    ['{timestamp:%s.%f} {{{line}}}', `${Date.UTC(2026, 10, 2, 3, 4, 5) / 1000}.000067 {text}`],
    ['{issuer:>10}|{stream:_^9}|{line:.2}|{line:6}|', '    vnode1|___app___|te|text  |'],
    ['100% {issuer}', '100% vnode1'],
    ['{timestamp:%b %% %j}', 'Nov % 306'],
  ])('%s', (format, text) => {
    expect(compileFormat(format)(record).toString()).toBe(text);
  });
  test.each(['{', '}', '{line', '{timestamp:%Q}', '{line:>>>}', '{}', '{line!r}'])(
    '%s is refused',
    (format) => {
      expect(() => compileFormat(format)).toThrow(
        'Could not display the log record.\nVerify your format string: ',
      );
    },
  );
});
