import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CheckedParams } from '../../backend/api/contract.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine, here } from '../support/cli.ts';
import { until } from '../support/lab.ts';

const imageInfo = (name: string): ImageInfo => ({
  ...{ name, id: 'f'.repeat(64), labels: {}, sizeBytes: 1, ownBytes: 1, created: '' },
  ...{ inUse: false, nodes: [], layers: 1, models: [] },
});
const line = new CommandLine();
const { run, terminal } = line;
let opened: CheckedParams<'image.openShell'>[];
let saved: CheckedParams<'image.saveShell'>[];
/** how often a client has let its shell go */
let released: number;
let count: number;
/** throws what the daemon refuses */
let refuse: (params: CheckedParams<'image.saveShell'>) => void;

beforeAll(() => line.startDaemon());
afterAll(async () => {
  await line.stopDaemon();
  line.remove();
});
beforeEach(() => {
  [opened, saved, released, count] = [[], [], 0, 1];
  refuse = () => {};
  line.handlers = {
    'image.openShell': (params, context) => {
      opened.push(params);
      const stream = context.openStream();
      stream.onClose(() => released++);
      return { node: 'image-shell', stream: stream.id };
    },
    'node.list': ({ nodes = [] }) => nodes.map((name) => ({ ...node(name), state: 'booted' as const })),
    'node.wait': () => [],
    'node.shellCommand': here,
    'image.shellDiff': () => ({
      id: 'd1',
      image: 'box',
      count,
      changes: [{ path: '/etc/motd', kind: 'M' as const, type: 'file' as const, sizeBytes: 8 }].slice(
        0,
        count,
      ),
    }),
    'image.saveShell': (params) => {
      refuse(params);
      saved.push(params);
      return { image: imageInfo(params.image), rebooted: params.force ? ['n1'] : [] };
    },
  };
});
/** The node of each shell goes. */
afterEach(() =>
  until(
    'let go',
    () => released,
    (count) => count === opened.length,
  ),
);

describe('without a terminal', () => {
  test.each([[['box']], [['box', '--', 'true']]])('%j needs a name or consent', async (words) => {
    const { code, stderr } = await run(['image', 'shell', ...words]);
    expect([code, stderr, opened]).toEqual([2, expect.stringContaining('give --name, or --force'), []]);
  });

  test('a script runs, and what it changed is saved', async () => {
    const { code, stdout } = await run(['image', 'shell', 'box', '--name', 'mine'], 'echo "in $((6*7))"\n');
    expect(stdout).toMatch(/^in 42\nM +8 B +\/etc\/motd\n.*differs from 'box'.*\nNew image mine saved\.\n$/s);
    expect([code, opened, saved]).toEqual([
      0,
      [{ image: 'box', saveAs: { image: 'mine', force: false } }],
      [{ node: 'image-shell', id: 'd1', image: 'mine', force: false }],
    ]);
  });

  test('--force changes the image itself', async () => {
    const { stdout } = await run(['image', 'shell', 'box', '--force', '--', 'echo', 'a;', 'echo', 'b']);
    expect(stdout).toMatch(/^a\nb\n[^]*\nImage box updated\.\nNode n1: rebooted ok\.\n$/);
  });

  test('a command that fails saves nothing, and its exit code is ours', async () => {
    const { code, stderr } = await run(['image', 'shell', 'box', '--force', '--', 'exit', '3']);
    expect([code, stderr, saved]).toEqual([
      3,
      'The command ended with exit code 3: nothing was saved.\n',
      [],
    ]);
  });

  test('nothing changed, nothing saved', async () => {
    count = 0;
    const { code, stdout } = await run(['image', 'shell', 'box', '--force', '--', 'true']);
    expect([code, stdout, saved]).toEqual([0, 'Nothing was changed: image box stays as it is.\n', []]);
  });

  test('a refusal is one sentence', async () => {
    refuse = () => {
      throw new BootyardError('image.wouldReboot', 'This operation would reboot 1 node(s).');
    };
    const { code, stderr } = await run(['image', 'shell', 'box', '--name', 'mine', '--', 'true']);
    expect([code, stderr]).toEqual([1, 'This operation would reboot 1 node(s). Use --force to go on.\n']);
  });
});

describe('on a terminal', () => {
  test("WalT's dialogue: a name that is taken is asked for again, none is the image's own", async () => {
    refuse = ({ image, force }) => {
      if (image === 'taken') throw new BootyardError('image.exists', "Error: Image 'taken' already exists.");
      if (!force) throw new BootyardError('image.wouldReboot', 'This operation would reboot 1 node(s).');
    };
    const screen = terminal(['image', 'shell', 'box', '--', 'echo', 'hello']);
    await screen.shows('New image name [box]: ');
    expect(screen.text).toContain('hello');
    screen.type('taken\r');
    await screen.shows('Bad name: Image already exists.');
    screen.type('\r');
    await screen.shows('Selected: box');
    await screen.shows('Are you sure? (y/n): ');
    screen.type('y\r');
    expect(await screen.exit).toBe(0);
    expect(screen.text).toContain('Image box updated.');
    expect(saved).toEqual([{ node: 'image-shell', id: 'd1', image: 'box', force: true }]);
  });

  test('ctrl-C at the question saves nothing', async () => {
    const screen = terminal(['image', 'shell', 'box', '--', 'true']);
    await screen.shows('New image name [box]: ');
    screen.type('\x03');
    expect(await screen.exit).toBe(130);
    expect(saved).toEqual([]);
  });

  test('a shell whose connection is lost is opened again, or what it changed is offered', async () => {
    // Its ssh refuses at first: a node that goes down is called booted yet.
    let refusals = 1;
    line.handlers['node.shellCommand'] = ({ command }) => {
      if (command === 'true') return { argv: [refusals-- > 0 ? 'false' : 'true'] };
      return { argv: ['sh', '-c', 'echo in; exit 255'] };
    };
    const screen = terminal(['image', 'shell', 'box']);
    await screen.shows('Connect again? (y/n): ');
    const { length } = screen.text;
    screen.type('y\r');
    await screen.shows('in\r\n', length);
    await screen.shows('Connect again? (y/n): ', length);
    expect(refusals).toBe(-1);
    screen.type('n\r');
    await screen.shows('New image name [box]: ');
    screen.type('mine\r');
    expect(await screen.exit).toBe(0);
    expect(saved).toMatchObject([{ image: 'mine' }]);
  });
});
