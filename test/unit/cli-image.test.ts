import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ImageStore } from '../../backend/images/store.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine, type Outcome } from '../support/cli.ts';
import { serveImages, type ServedImages } from '../support/cli-images.ts';
import { importLayers, NASTY } from './images/nasty.ts';
import { ROOT, TOP } from './images/store-support.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
let home: string;
let store: ImageStore;
let served: ServedImages;

/** The command line, the API and a real store; nodes are told. */
beforeEach(async () => {
  await cli.startDaemon();
  served = serveImages(cli);
  ({ home, store } = served);
  await importLayers(store, home, [ROOT, TOP], 'box', {
    created: '2025-01-02T03:04:05Z',
    config: { Labels: { a: 'b', 'walt.node.models': 'pc-x86-64' } },
    history: [{ created: '2025-01-02T03:04:05Z', created_by: 'ADD root' }, { created_by: 'RUN\n  make' }],
  });
  await importLayers(store, home, [ROOT], 'base');
});
afterEach(async () => {
  await cli.stopDaemon();
  rmSync(home, { recursive: true });
});
const image = (...words: string[]): Promise<Outcome> => cli.run(['image', ...words]);
const said = (stdout: string): Outcome => ({ code: 0, stdout, stderr: '' });
const refused = (stderr: string, code = 1): Outcome => ({ code, stdout: '', stderr });

describe('what is known of images', () => {
  test('history', async () => {
    const { stdout } = await image('history', 'box');
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'layer  created              size    created by  shared with',
      '-----  -------------------  ------  ----------  -----------',
      '2      -                    3.1 kB  RUN make    -',
      '1      2025-01-02 03:04:05  5.1 kB  ADD root    base',
      '',
    ]);
    expect(JSON.parse((await image('history', 'box', '--json')).stdout)).toMatchObject([
      { layer: 2, sharedWith: [] },
      { layer: 1, sharedWith: ['base'], createdBy: 'ADD root' },
    ]);
  });

  test('show --all', async () => {
    const { stdout } = await image('show', '--all');
    expect(stdout).toContain('labels         a=b\n               walt.node.models=pc-x86-64\n');
    expect(stdout).toContain('size           8.2 kB (own 1 B, shared 8.2 kB)\n');
    expect(stdout.split('\n\n')).toHaveLength(2);
  });

  test('df and gc', async () => {
    const { stdout } = await image('df');
    expect(stdout).toMatch(/images +8\.2 kB +layers of 2 images, each counted once/);
    expect(stdout).toMatch(/- shared +5\.1 kB +1 layer of several images/);
    expect(JSON.parse((await image('df', '--json')).stdout)).toMatchObject({
      own: { count: 1, bytes: TOP.length },
    });
    expect(await image('gc')).toEqual(said('0 B freed.\n'));
  });

  test('diff', async () => {
    const { stdout } = await image('diff', 'base', 'box');
    expect(stdout).toBe(
      [
        'D        4 B    1  /etc/hostname',
        'A        7 B    2  /etc/motd',
        '1 added (7 B), 0 modified (0 B), 1 deleted (4 B).\n',
      ].join('\n'),
    );
    expect((await image('diff', 'base', 'box', '--by', 'layer')).stdout).toContain('layer 2:\nA        7 B');
    const { changes } = JSON.parse((await image('diff', 'base', 'box', '--by', 'size', '--json')).stdout) as {
      changes: { path: string }[];
    };
    expect(changes.map(({ path }) => path)).toEqual(['/etc/motd', '/etc/hostname']);
    expect((await image('diff', 'base', 'box', '--by', 'colour')).code).toBe(2);
    expect(await image('diff', 'base', 'no')).toEqual(
      refused("Error: No such image 'no'. (tip: bootyard image show)\n"),
    );
  });
});

describe('what changes images', () => {
  test('duplicate, rename', async () => {
    expect(await image('duplicate', 'box', 'copy')).toEqual(said(''));
    expect(await image('rename', 'copy', 'other')).toEqual(said(''));
    expect(await image('rename', 'other', 'box')).toEqual(refused("Error: Image 'box' already exists.\n"));
    expect(store.list().map(({ name }) => name)).toEqual(['base', 'box', 'other']);
  });

  test('squash', async () => {
    expect(await image('squash', 'box', 'flat')).toEqual(said('Image was squashed successfully.\n'));
    expect(await image('squash', 'flat')).toEqual(
      said('Image flat has one layer already: nothing was changed.\n'),
    );
    expect(await image('squash', 'box', 'flat')).toEqual(
      refused("Error: Image 'flat' already exists. Use --force to go on.\n"),
    );
    expect((await image('squash', 'box', 'flat', '--force')).code).toBe(0);
  });

  test('label', async () => {
    expect(await image('label', 'box', 'x=a b', '--remove', 'a', '--remove', 'no')).toEqual(
      said('Image box updated.\n'),
    );
    expect(store.named('box').labels).toEqual({ x: 'a b', 'walt.node.models': 'pc-x86-64' });
    expect(await image('label', 'box', 'x=a b')).toEqual(
      said('Image box has these labels already: nothing was changed.\n'),
    );
    expect(await image('label', 'box')).toEqual(refused('Give a label to set, or --remove one.\n', 2));
    expect(await image('label', 'box', 'x')).toEqual(
      refused('Please provide labels as `<label name>=<label value>`.\n', 2),
    );
  });

  test('nodes that use the image are rebooted with consent', async () => {
    served.nodes = [{ ...node('vnode1'), image: 'box', state: 'booted' }];
    const sentence = 'This operation would reboot 1 node(s) currently using the image.';
    expect(await image('squash', 'box')).toEqual(refused(`${sentence} Use --force to go on.\n`));
    const screen = cli.terminal(['image', 'squash', 'box']);
    await screen.shows(`${sentence}\r\nAre you sure? (y/n)`);
    screen.type('n\r');
    expect(await screen.exit).toBe(1);
    expect(screen.text).toContain('Nothing was changed.');
    expect(store.named('box').layers).toHaveLength(2);
    expect(await image('label', 'box', 'x=y', '--force')).toEqual(
      said('Image box updated.\nNode vnode1: rebooted ok.\n'),
    );
    expect(await image('rename', 'box', 'x')).toEqual(
      refused("Sorry, cannot proceed because the image is in use. Nodes that boot 'box': vnode1.\n"),
    );
  });
});

describe('copies and exports', () => {
  test('cp both ways', async () => {
    writeFileSync(join(home, 'f'), 'mine');
    expect(await image('cp', join(home, 'f'), 'box:/etc/motd')).toEqual(said('Image box updated.\n'));
    expect(await image('cp', join(home, 'f'), 'box:/etc/motd')).toEqual(
      said('Image box has it already: nothing was changed.\n'),
    );
    expect(await image('cp', 'box:/etc/motd', join(home, 'back'))).toEqual(said(''));
    expect(readFileSync(join(home, 'back'), 'utf8')).toBe('mine');
    expect(await image('cp', 'box:/no', home)).toEqual(refused('No such file or directory: box:/no\n'));
  });

  test('devices are left out with a warning', async () => {
    await importLayers(store, home, NASTY, 'nasty');
    const { code, stderr } = await image('cp', 'nasty:/dev', join(home, 'dev'));
    expect([code, stderr]).toEqual([0, expect.stringMatching(/left out|not permitted/)]);
  });

  test('export, relative to the current folder', async () => {
    const file = join(home, 'box.tar');
    expect(await image('export', 'box', file)).toEqual(said(''));
    expect(await image('export', 'box', file)).toEqual(
      refused(`'${file}' is there already: use --force to replace it.\n`),
    );
    expect(await image('export', 'box', file, '--force', '--format', 'docker-archive')).toEqual(said(''));
    expect((await image('export', 'box', file, '--format', 'zip')).code).toBe(2);
    expect(existsSync(file)).toBe(true);
  });
});

test('completion and help', async () => {
  expect(await cli.complete('image', 'd')).toEqual(['diff', 'df', 'duplicate']);
  expect(await cli.complete('image', 'diff', 'base', 'b')).toEqual(['base', 'box']);
  expect(await cli.complete('image', 'diff', 'base', 'box', '--by', '')).toEqual(['path', 'size', 'layer']);
  expect(await cli.complete('image', 'export', 'box', 'f', '--format', 'o')).toEqual(['oci-archive']);
  expect(await cli.complete('image', 'cp', 'b')).toEqual(['base:', 'box:']);
  expect(await cli.complete('image', 'label', 'box', 'walt')).toEqual([
    'walt.node.models=',
    'walt.node.models=pc-x86-64',
    'walt.node.models=qemu-arm-64',
  ]);
  expect(await cli.complete('image', 'label', 'box', '--remove', 'a')).toEqual(['a']);
  const { stdout } = await image('--help');
  for (const verb of [
    'history',
    'diff',
    'df',
    'gc',
    'duplicate',
    'rename',
    'squash',
    'label',
    'export',
    'cp',
  ])
    expect(stdout).toContain(`\n  ${verb} `);
  const help = (await image('cp', '--help')).stdout.replace(/\s+/g, ' ');
  expect(help).toContain('one of the two is <image>:<path>');
});
