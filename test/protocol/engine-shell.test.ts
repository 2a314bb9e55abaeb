import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import type { Engine } from '../../backend/images/engine/connect.ts';
import { engineOf } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { RegistryLab } from '../support/registry-lab.ts';
import { importLayers } from '../unit/images/nasty.ts';
import { file, folder, link, tarOf } from '../unit/images/support.ts';
import { isLong } from '../support/long.ts';

const OWN = { Entrypoint: ['/bin/sh'], Cmd: ['-l'] };
const APPLETS = ['sh', 'cat', 'sleep', 'rm', 'mkdir', 'chown', 'ls', 'tty', 'stat', 'touch'];
const START = '#!/bin/sh\ntouch /run/started\nwhile [ ! -e /run/stop ]; do sleep 1; done\n';

/** A program of this host, or a library that it needs, at its own place. */
const copied = (path: string): TarEntry => ({
  ...file(path.slice(1), '', { mode: 0o755 }),
  content: readFileSync(path),
});

/** An image with the busybox of this host; in one, scripts that start and stop an OS. */
function root(hasSystem: boolean): Buffer {
  const libraries = execFileSync('ldd', ['/bin/busybox'], { encoding: 'utf8' }).match(/\/lib\S+/g) ?? [];
  return tarOf([
    ...['bin', 'lib', 'lib/x86_64-linux-gnu', 'lib64'].map((name) => folder(name)),
    ...['/bin/busybox', ...libraries].map(copied),
    ...APPLETS.map((name) => link(`bin/${name}`, 'busybox')),
    ...['etc', 'proc', 'sys', 'dev', 'run', 'root', 'srv', 'tmp'].map((name) => folder(name)),
    file('etc/cpuinfo', 'a machine of the image\n'),
    file('etc/old', 'old\n'),
    // Podman would add them.
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
    file('etc/group', 'root:x:0:\n'),
    ...(hasSystem
      ? [
          file('bin/walt-image-shell-start', START, { mode: 0o755 }),
          file('bin/walt-image-shell-shutdown', '#!/bin/sh\ntouch /run/stop\n', { mode: 0o755 }),
        ]
      : []),
  ]);
}

describe.each(['docker', 'podman'] as const)('a shell in a container of %s', (kind) => {
  // With rootless Podman each shell takes seconds.
  const isThorough = kind === 'docker' || isLong;
  let test: TestEngine;
  let engine: Engine;
  let lab: RegistryLab;
  beforeAll(async () => {
    test = await TestEngine[kind]();
    engine = await engineOf(test);
    lab = await RegistryLab.start();
    Object.assign(lab.cli.env, test.env);
    for (const name of ['box', 'os']) {
      await importLayers(lab.store, lab.cli.folder, [root(name === 'os')], name, {
        config: { Labels: { 'walt.node.models': 'pc-x86-64' }, ...OWN },
      });
    }
  }, 120_000);
  afterAll(async () => {
    await lab?.end();
    await test?.stop();
  });
  const shell = (...words: string[]) => lab.cli.run(['image', 'shell', '--engine', kind, ...words]);
  const containers = async () => (await engine.docker.listContainers({ all: true })).length;
  const read = async (name: string, path: string) => {
    const tree = await lab.store.tree(lab.store.named(name).id);
    const inode = tree.lookupPath(path);
    const found = inode === 0 ? undefined : { ...tree.stat(inode), text: tree.readFile(inode).toString() };
    tree.close();
    return found;
  };

  it('runs a command, and takes what it changed as one layer', async () => {
    const command = 'cat /proc/cpuinfo; rm /etc/old; echo new >/srv/new; chown 12:34 /srv/new';
    const { code, stdout, stderr } = await shell('box', '--name', 'mine', '--', command);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe('a machine of the image\nD  /etc/old\nA  /srv/new\nNew image mine saved.\n');
    const [box, mine] = ['box', 'mine'].map((name) => lab.store.named(name));
    expect(mine?.layers.slice(0, -1)).toEqual(box?.layers);
    const config = (id = '') => lab.store.config(id).config;
    expect([config(box?.id), config(mine?.id)]).toMatchObject([OWN, OWN]);
    expect(mine?.labels).toEqual(box?.labels);
    expect(await read('mine', 'srv/new')).toMatchObject({ uid: 12, gid: 34, text: 'new\n' });
    expect(await read('mine', 'etc/old')).toBeUndefined();
    expect(await containers()).toBe(0);
  });

  it.runIf(isThorough)('runs a script, saves nothing when it fails or changes nothing', async () => {
    const script = await lab.cli.run(
      ['image', 'shell', 'box', '--engine', kind, '--force'],
      'echo x >/srv/x\n',
    );
    expect(script).toMatchObject({ code: 0, stdout: 'A  /srv/x\nImage box updated.\n' });
    const before = lab.store.list();
    expect(await shell('box', '--force', '--', 'touch /srv/y; exit 3')).toMatchObject({ code: 3 });
    expect(await shell('box', '--force', '--', 'cat /srv/x')).toMatchObject({
      ...{ code: 0, stderr: '', stdout: 'x\nNothing was changed: image box stays as it is.\n' },
    });
    expect((await shell('box', '--name', 'mine', '--', 'touch /srv/y')).stderr).toContain(
      "'mine' already exists",
    );
    expect([lab.store.list(), await containers()]).toEqual([before, 0]);
  });

  it('on a terminal: the scripts of the image start and stop its OS; WalT’s dialogue', async () => {
    const screen = lab.cli.terminal(['image', 'shell', 'os', '--engine', kind]);
    await screen.shows('Note: the OS was started in a virtual environment.');
    await screen.shows('# ');
    screen.type('ls /run; tty; echo typed >/srv/typed; exit\r');
    await screen.shows('New image name [os]: ');
    expect(screen.text).toMatch(/started[^]*\/dev\/pts\/\d[^]*A {2}\/srv\/typed/);
    screen.type('typed\r');
    await screen.shows('New image typed saved.');
    expect(await screen.exit).toBe(0);
    expect(await read('typed', 'srv/typed')).toMatchObject({ text: 'typed\n' });
    expect(await read('typed', 'run/stop')).toBeDefined();
    expect(await containers()).toBe(0);
  });

  it.runIf(isThorough)(
    'a second editor is refused; the next shell sweeps up after one that was killed',
    async () => {
      const first = lab.cli.terminal(['image', 'shell', 'box', '--engine', kind]);
      await first.shows('# ');
      for (const words of [
        ['image', 'shell', 'box', '--engine', kind, '--force', '--', 'touch /srv/z'],
        ['image', 'squash', 'box'],
        ['image', 'remove', 'box'],
      ]) {
        expect(await lab.fails(...words)).toContain(
          'Cannot open image box because a shell session is already running.',
        );
      }
      // Another image may be edited, and the container of a client that lives stays.
      expect(await shell('os', '--force', '--', 'true')).toMatchObject({ code: 0 });
      expect(await containers()).toBe(1);
      const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('bootyard-shell-'));
      const before = left();
      first.end('SIGKILL');
      await first.exit;
      expect(await containers()).toBe(1);
      const again = await shell('box', '--force', '--', 'echo swept');
      expect(again).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining('swept') as string,
      });
      expect(await containers()).toBe(0);
      expect(left()).toHaveLength(before.length - 1);
    },
  );
});
