import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileText } from '../../extension/files/file-text.ts';
import * as scripts from '../../extension/files/node-scripts.ts';

let folder: string;
let applets: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootyard-node-'));
  applets = mkdtempSync(join(tmpdir(), 'bootyard-applets-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(applets, { recursive: true });
});

/** The shells that nodes have: busybox with its own tools alone, and Debian's dash with GNU's. */
describe.each(['busybox', 'dash'])('in a node with %s', (kind) => {
  function run(script: string, input = '') {
    if (kind === 'busybox' && readdirSync(applets).length === 0)
      execFileSync('busybox', ['--install', '-s', applets]);
    const path = kind === 'busybox' ? applets : '/usr/bin:/bin';
    const shell = kind === 'busybox' ? join(applets, 'sh') : '/bin/dash';
    return spawnSync(shell, ['-c', script], { input, env: { PATH: path, LC_ALL: 'C.UTF-8' } });
  }
  const at = (path: string): string => `${folder}${path}`;
  const list = () => scripts.parseList(run(scripts.listScript(folder)).stdout);
  const stat = (path: string, name = '') => scripts.parseStat(run(scripts.statScript(at(path))).stdout, name);
  const both = { create: true, overwrite: true };
  const write = (path: string, text: string, options = both, size = Buffer.byteLength(text)) =>
    run(scripts.writeScript(at(path), size, options), text).status;

  test('a folder is listed with odd names, links and their ends', () => {
    const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from('caf\xe9\n%41', 'latin1')]);
    writeFileSync(odd, 'odd');
    writeFileSync(at("/it's $HOME `x`"), 'quoted', { mode: 0o640 });
    mkdirSync(at('/.hidden'));
    symlinkSync('.hidden', at('/to folder'));
    symlinkSync('nowhere', at('/dangling'));
    execFileSync('mkfifo', [at('/pipe')]);
    const found = new Map(list().map((file) => [file.name, file]));
    expect([...found.keys()].toSorted()).toEqual(
      ['.hidden', 'caf%E9%0A%2541', 'dangling', "it's $HOME `x`", 'pipe', 'to folder'].toSorted(),
    );
    expect(found.get("it's $HOME `x`")).toMatchObject({ type: 'file', mode: 0o640, size: 6 });
    expect(found.get('to folder')).toMatchObject({ type: 'symlink', leadsTo: 'directory' });
    expect(found.get('dangling')).toMatchObject({ type: 'symlink', leadsTo: null });
    expect(found.get('pipe')?.type).toBe('fifo');
    expect(run(scripts.readScript(at('/caf%E9%0A%2541'))).stdout.toString()).toBe('odd');
  });

  test('a folder that is empty, or none, or not there', () => {
    expect(list()).toEqual([]);
    writeFileSync(at('/file'), '');
    expect(run(scripts.listScript(at('/file'))).status).toBe(45);
    expect(run(scripts.listScript(at('/no'))).status).toBe(44);
  });

  test('what a file is, in one line', () => {
    writeFileSync(at('/tool'), 'x');
    chmodSync(at('/tool'), 0o4755);
    linkSync(at('/tool'), at('/again'));
    symlinkSync('tool', at('/link'));
    const tool = stat('/tool', 'tool');
    expect(tool && fileText(tool)).toBe(`-rwsr-xr-x ${process.getuid?.()}:${process.getgid?.()} · 2 names`);
    expect(stat('/link')).toMatchObject({ type: 'symlink', target: 'tool', leadsTo: 'file', size: 1 });
    const device = scripts.parseStat(run(scripts.statScript('/dev/null')).stdout, 'null');
    expect(device).toMatchObject({ type: 'char', device: { major: 1, minor: 3 } });
    expect(run(scripts.statScript(at('/no'))).status).toBe(44);
  });

  test('a file that is written keeps its mode, names and links; a new one is 0644', () => {
    expect(write('/new file', 'words')).toBe(0);
    expect(statSync(at('/new file')).mode & 0o7777).toBe(0o644);
    chmodSync(at('/new file'), 0o700);
    linkSync(at('/new file'), at('/other'));
    symlinkSync('other', at('/link'));
    expect(write('/link', 'through')).toBe(0);
    expect(readFileSync(at('/new file'), 'utf8')).toBe('through');
    expect(statSync(at('/other'))).toMatchObject({ nlink: 2 });
    expect(statSync(at('/other')).mode & 0o7777).toBe(0o700);
    expect(readdirSync(folder).toSorted()).toEqual(['link', 'new file', 'other']);
  });

  test('a file of which not all comes stays as it was, and nothing is left', () => {
    writeFileSync(at('/file'), 'before');
    expect(write('/file', 'half', both, 8)).toBe(1);
    expect(readFileSync(at('/file'), 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('what is in the way is told', () => {
    writeFileSync(at('/file'), '');
    mkdirSync(at('/full'));
    writeFileSync(at('/full/x'), '');
    const script = {
      ...{ overwrite: write('/file', 'x', { create: true, overwrite: false }) },
      ...{ create: write('/none', 'x', { create: false, overwrite: true }), nowhere: write('/no/x', '') },
      folder: write('/full', 'x'),
      read: run(scripts.readScript(at('/full'))).status,
      device: run(scripts.readScript('/dev/null')).status,
      make: run(scripts.makeFolderScript(at('/full'))).status,
      remove: run(scripts.removeScript(at('/full'), false)).status,
      move: run(scripts.moveScript('mv', at('/file'), at('/full'), false)).status,
    };
    expect(script).toEqual({
      ...{ overwrite: 48, create: 44, nowhere: 44, folder: 46, read: 46, device: 47 },
      ...{ make: 48, remove: 49, move: 48 },
    });
  });

  test('folders are made, names moved and copied, and all of it removed', () => {
    expect(run(scripts.makeFolderScript(at('/a b'))).status).toBe(0);
    expect(write('/a b/file', 'x')).toBe(0);
    expect(run(scripts.moveScript('cp -a', at('/a b'), at('/c'), false)).status).toBe(0);
    expect(run(scripts.moveScript('mv', at('/a b'), at('/c'), true)).status).toBe(0);
    expect(readdirSync(folder)).toEqual(['c']);
    expect(readdirSync(at('/c'))).toEqual(['file']);
    expect(run(scripts.removeScript(at('/c'), true)).status).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('a script that fails for another reason says which', () => {
  const error = scripts.scriptError(1, 'sh: x\nmkdir: cannot create: Read-only file system\n', '/x');
  expect([error.code, error.message]).toEqual([
    'file.denied',
    '/x: mkdir: cannot create: Read-only file system',
  ]);
  expect(scripts.scriptError(44, '', '/x').code).toBe('file.missing');
  expect(scripts.scriptError(null, '', '/x').code).toBe('file.failed');
});

test('nonsense of a node is no file', () => {
  expect(scripts.parseList(Buffer.from('./a\0./b\0\0garbage ./a\n81a4 0 0 5 1 1 0 0 ./b\n\0'))).toEqual([]);
  expect(scripts.parseList(Buffer.alloc(0))).toEqual([]);
  expect(scripts.parseStat(Buffer.from('what?'), 'x')).toBeUndefined();
});
