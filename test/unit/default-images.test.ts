import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debianSources } from '../../backend/images/default/apt.ts';
import { FolderTree } from '../../backend/images/default/folder-tree.ts';
import {
  contentKey,
  imageLabels,
  installIpxeScripts,
  installUbootScript,
  keepTar,
  normalizeModes,
  packRoot,
  recipeFolder,
} from '../../backend/images/default/recipe.ts';
import { run } from '../../backend/images/default/run.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'default-images-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const options = { signal: new AbortController().signal, log: () => undefined };

function put(path: string, content = '', mode = 0o644): void {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content, { mode });
}

describe('FolderTree', () => {
  it('follows links inside the folder only', () => {
    put('etc/real', 'content');
    symlinkSync('/etc', join(folder, 'absolute'));
    symlinkSync('../../../../etc/real', join(folder, 'etc/upwards'));
    symlinkSync('loop', join(folder, 'loop'));
    const tree = new FolderTree(folder);
    const real = tree.lookupPath('/etc/real');
    expect(real).toBeGreaterThan(0);
    expect(tree.lookupPath('/absolute/real')).toBe(real);
    expect(tree.lookupPath('/absolute/upwards')).toBe(real);
    expect(tree.lookupPath('/etc/../../etc/./real')).toBe(real);
    expect(tree.readFile(real).toString()).toBe('content');
    for (const path of ['/loop', '/absolute/passwd', '/etc/real/x']) expect(tree.lookupPath(path)).toBe(0);
  });

  it('lists a folder with types', () => {
    put('d/file');
    symlinkSync('file', join(folder, 'd/link'));
    const tree = new FolderTree(folder);
    const seen = tree
      .children(tree.lookupPath('/d'))
      .map(({ name, inode }) => [name.toString(), tree.stat(inode).type]);
    expect(seen.toSorted()).toEqual([
      ['file', 'file'],
      ['link', 'symlink'],
    ]);
  });
});

describe('run', () => {
  it('gives the output, and each line as it comes', async () => {
    const lines: string[] = [];
    const log = (line: string): number => lines.push(line);
    const out = await run('sh', ['-c', 'echo one; echo two >&2; printf three'], { ...options, log });
    expect(out).toBe('one\nthree');
    expect(lines.toSorted()).toEqual(['one', 'three', 'two']);
  });

  it('says what failed, with its last words', async () => {
    await expect(run('sh', ['-c', 'echo no such thing >&2; exit 3'], options)).rejects.toThrow(
      'sh failed (3): no such thing',
    );
    await expect(run('no-such-program', [], options)).rejects.toThrow('no-such-program could not be started');
  });

  it('ends a program and all that it started when cancelled', async () => {
    const cancel = new AbortController();
    // The grandchild holds the output open: `run` can only end when it is gone as well.
    const running = run('sh', ['-c', 'sleep 1000 & echo started; wait'], {
      signal: cancel.signal,
      log: () => cancel.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'build.cancelled' });
    await expect(run('true', [], { ...options, signal: cancel.signal })).rejects.toMatchObject({
      code: 'build.cancelled',
    });
  });
});

describe('recipes', () => {
  it('install the second stage where an image keeps it', () => {
    installIpxeScripts(folder, 'pc-x86-64');
    expect(readdirSync(join(folder, 'boot/pc-x86-64')).toSorted()).toEqual(
      ['QEMU', 'server-params.ipxe', 'start-generic-2.ipxe', 'start-generic.ipxe', 'start.ipxe'].toSorted(),
    );
    const machine = join(folder, 'boot/pc-x86-64/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe');
    expect(existsSync(machine)).toBe(true);
  });

  it('have a U-Boot script that mkimage would have written', () => {
    installUbootScript(folder, 'some-board');
    const made = join(folder, 'boot/some-board/start.uboot');
    const source = join(recipeFolder('uboot'), 'start.uboot');
    const wanted = join(folder, 'wanted');
    execFileSync('mkimage', ['-A', 'arm64', '-T', 'script', '-C', 'none', '-d', source, wanted], {
      env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000' },
    });
    expect(readFileSync(made)).toEqual(readFileSync(wanted));
  });

  it('carry the labels of the image contract', () => {
    expect(imageLabels('pc-x86-64-tiny', 'pc-x86-64')).toEqual({
      'walt.node.models': 'pc-x86-64',
      'walt.server.minversion': '4',
      'walt.image.preferred-name': 'pc-x86-64-tiny',
    });
  });

  it('have a key that changes with any file or word', () => {
    put('a/file', 'one');
    const key = contentKey([join(folder, 'a')], ['w']);
    expect(contentKey([join(folder, 'a')], ['w'])).toBe(key);
    expect(contentKey([join(folder, 'a')], ['v'])).not.toBe(key);
    put('a/file', 'two');
    expect(contentKey([join(folder, 'a')], ['w'])).not.toBe(key);
    put('a/file', 'one');
    expect(contentKey([join(folder, 'a')], ['w'])).toBe(key);
    symlinkSync('nowhere', join(folder, 'a/link'));
    expect(contentKey([join(folder, 'a')], ['w'])).not.toBe(key);
    expect(existsSync(join(recipeFolder('default'), 'customize.sh'))).toBe(true);
  });

  it('make the same tar whoever builds, whatever the umask', async () => {
    put('root/bin/program', '', 0o700);
    put('root/etc/text', '', 0o600);
    put('root/etc/rc', '', 0o600);
    normalizeModes(join(folder, 'root'), ['etc/rc']);
    await packRoot(join(folder, 'root'), join(folder, 'made.tar'), options);
    const listed = execFileSync('tar', ['-tvf', join(folder, 'made.tar'), '--numeric-owner'], {
      encoding: 'utf8',
    });
    const seen = listed
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map((words) => [words[0], words[1], words[5]]);
    expect(seen).toEqual([
      ['drwxr-xr-x', '0/0', './'],
      ['drwxr-xr-x', '0/0', './bin/'],
      ['-rwxr-xr-x', '0/0', './bin/program'],
      ['drwxr-xr-x', '0/0', './etc/'],
      ['-rwxr-xr-x', '0/0', './etc/rc'],
      ['-rw-r--r--', '0/0', './etc/text'],
    ]);
  });

  it('replace the tar of an older recipe', () => {
    put('image-0123456789abcdef.tar');
    put('image-docker-0123456789abcdef.tar');
    put('other-old.tar');
    put('made');
    keepTar(join(folder, 'made'), folder, 'image', join(folder, 'image-new.tar'));
    const kept = ['image-docker-0123456789abcdef.tar', 'image-new.tar', 'other-old.tar'];
    expect(readdirSync(folder).toSorted()).toEqual(kept);
    expect(statSync(join(folder, 'image-new.tar')).isFile()).toBe(true);
  });
});

describe('debianSources', () => {
  it('are in one-line form, of the right release, and signed', async () => {
    const sources = await debianSources(options);
    expect(sources.length).toBeGreaterThan(0);
    for (const line of sources) {
      expect(line).toMatch(/^deb (\[signed-by=\/\S+\] )?\w+:\S+ bookworm(-updates|-security)? main$/);
    }
  });
});
