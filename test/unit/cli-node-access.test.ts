import { Readable, Writable } from 'node:stream';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { ByteStream } from '../../backend/api/contract.ts';
import type { ServedHandlers } from '../../backend/api/server.ts';
import { copyLines } from '../../backend/cli/node-run.ts';
import { BootyardError } from '../../backend/errors.ts';
import { node } from '../support/api-lab.ts';
import { booted, CommandLine, here } from '../support/cli.ts';

const cli = new CommandLine();
const { run: bootyard, terminal } = cli;
afterAll(() => cli.remove());
beforeEach(() => cli.startDaemon());
afterEach(() => cli.stopDaemon());

test('node run on one node hands over its output and exit code as they are', async () => {
  Object.assign(cli.handlers, { 'node.list': booted, 'node.shellCommand': here });
  const outcome = await bootyard(['node', 'run', 'a', 'cat; echo no >&2; exit', '7'], 'typed');
  expect(outcome).toEqual({ code: 7, stdout: 'typed', stderr: 'no\n' });
});

test('node run passes options of the command on', async () => {
  Object.assign(cli.handlers, { 'node.list': booted, 'node.shellCommand': here });
  expect((await bootyard(['node', 'run', 'a', 'echo', '--help', '-x'])).stdout).toBe('--help -x\n');
});

test('node run on several runs them together, names their lines and sums up', async () => {
  Object.assign(cli.handlers, { 'node.list': booted, 'node.shellCommand': here });
  // Each waits for the other: one after the other would never end.
  const meet = `echo "in $0"; touch ${cli.folder}/$0; while [ ! -e ${cli.folder}/a ] || [ ! -e ${cli.folder}/b ]; do sleep 0.01; done`;
  const outcome = await bootyard(['node', 'run', 'a,b', `${meet}; [ $0 = a ] || exit 3`]);
  expect(outcome.stdout.trim().split('\n').toSorted()).toEqual(['a: in a', 'b: in b']);
  expect(outcome).toMatchObject({ code: 1, stderr: 'b: exit code 3\n' });
});

test('node shell has the terminal, waits first, and ctrl-C really proceeds', async () => {
  const cancelled = Promise.withResolvers<void>();
  cli.handlers['node.shellCommand'] = () => ({ argv: ['sh', '-c', 'read line; echo "got $line"; exit 9'] });
  cli.handlers['node.wait'] = (_, { signal }) =>
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

function consoleOf(history: Uint8Array): Promise<ByteStream> {
  const opened = Promise.withResolvers<ByteStream>();
  cli.handlers['node.console'] = (_, context) => {
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

test('node console --replay plays a range at a speed, and says what breaks it off', async () => {
  const asked: unknown[] = [];
  cli.handlers['node.replay'] = ({ node, range, speed }, context) => {
    asked.push([node, range, speed]);
    const stream = context.openStream();
    stream.write(Buffer.from('then'));
    stream.end(range === 'full' ? undefined : 'The rest is gone.');
    return { stream: stream.id };
  };
  const replay = (...words: string[]) => bootyard(['node', 'console', ...words]);
  expect(await replay('a', '--replay')).toEqual({ code: 0, stdout: 'then', stderr: '' });
  expect(await replay('--replay', '-5m:', '--speed', '2.5', 'a')).toEqual({
    code: 1,
    stdout: 'then',
    stderr: 'The rest is gone.\n',
  });
  await replay('a', '--replay', ':-1h');
  expect(asked).toEqual([
    ['a', 'full', 1],
    ['a', '-5m:', 2.5],
    ['a', ':-1h', 1],
  ]);
});

test('a replay is left with ctrl-C', async () => {
  cli.handlers['node.replay'] = (_, context) => {
    const stream = context.openStream();
    stream.write(Buffer.from('begun'));
    return { stream: stream.id };
  };
  const screen = terminal(['node', 'console', 'a', '--replay']);
  await screen.shows('begun');
  screen.type('\u0003');
  expect(await screen.exit).toBe(130);
});

test('node shell offers to connect again when its connection is lost', async () => {
  let round = 0;
  handlersOf(() => ++round);
  const screen = terminal(['node', 'shell', 'vnode1']);
  await screen.shows('round 1');
  screen.type('255\r');
  await screen.shows('The connection to vnode1 was lost. Connect again? (y/n)');
  screen.type('y\r');
  await screen.shows('round 2');
  screen.type('3\r');
  expect(await screen.exit).toBe(3);
  const left = terminal(['node', 'shell', 'vnode1']);
  await left.shows('round 3');
  left.type('255\r');
  await left.shows('(y/n)');
  left.type('n\r');
  expect(await left.exit).toBe(255);
  expect(round).toBe(3);
});

test('node shell without a terminal asks nothing', async () => {
  handlersOf(() => 1);
  const outcome = await bootyard(['node', 'shell', 'vnode1'], '255\n');
  expect(outcome).toEqual({ code: 255, stdout: 'round 1\n', stderr: '' });
});

/** A shell that ends as it is told. */
function handlersOf(round: () => number): void {
  cli.handlers['node.list'] = booted;
  cli.handlers['node.shellCommand'] = () => ({
    argv: ['sh', '-c', `echo round ${round()}; read -r code; exit $code`],
  });
}

const pinged: ServedHandlers['node.ping'] = ({ node }, context) => {
  if (node === 'c') throw new BootyardError('node.off', 'Node c is off.');
  const stream = context.openStream();
  stream.write(Buffer.from('PING\n'));
  stream.end(node === 'b' ? 'Node b does not answer.' : undefined);
  return { stream: stream.id };
};

test('node ping prints what comes as it comes, and fails with the sentence at the end', async () => {
  cli.handlers['node.ping'] = pinged;
  expect(await bootyard(['node', 'ping', 'a'])).toEqual({ code: 0, stdout: 'PING\n', stderr: '' });
  expect(await bootyard(['node', 'ping', 'b'])).toEqual({
    code: 1,
    stdout: 'PING\n',
    stderr: 'Node b does not answer.\n',
  });
});

test('node ping on several names their lines, and fails when one does not answer', async () => {
  Object.assign(cli.handlers, { 'node.list': booted, 'node.ping': pinged });
  const some = await bootyard(['node', 'ping', 'a,c,b']);
  expect(some.stdout.trim().split('\n').toSorted()).toEqual(['a: PING', 'b: PING']);
  expect(some).toMatchObject({ code: 1, stderr: 'Node c is off.\nNode b does not answer.\n' });
  expect(await bootyard(['node', 'ping', 'a,d'])).toMatchObject({ code: 0, stderr: '' });
});

test('node ping on several is left with ctrl-C, which ends them all', async () => {
  const closed: string[] = [];
  const both = Promise.withResolvers<void>();
  cli.handlers['node.list'] = booted;
  cli.handlers['node.ping'] = ({ node }, context) => {
    const stream = context.openStream();
    stream.write(Buffer.from('PING\n'));
    stream.onClose(() => {
      if (closed.push(node) === 2) both.resolve();
    });
    return { stream: stream.id };
  };
  const screen = terminal(['node', 'ping', 'a,b']);
  await Promise.all([screen.shows('a: PING'), screen.shows('b: PING')]);
  screen.type('\u0003');
  expect(await screen.exit).toBe(130);
  await both.promise;
});

test('node shell takes one node, and says so before it waits for any', async () => {
  cli.handlers['node.list'] = () => [node('a'), node('b')];
  expect(await bootyard(['node', 'shell', 'a,b'])).toEqual({
    code: 1,
    stdout: '',
    stderr: "Sorry, 'a,b' is several nodes: name one; `bootyard node run` runs a command in all of them.\n",
  });
});

test('node blink takes seconds, 60 by default', async () => {
  const asked: unknown[] = [];
  cli.handlers['node.blink'] = (params) => {
    asked.push(params);
    return {};
  };
  await bootyard(['node', 'blink', 'a']);
  await bootyard(['node', 'blink', 'a', '2']);
  expect(asked).toEqual([
    { node: 'a', seconds: 60 },
    { node: 'a', seconds: 2 },
  ]);
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
