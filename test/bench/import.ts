import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageStore } from '../../backend/images/store.ts';
import { END_OF_TAR, entryHeader, padding } from '../../backend/images/tar/tar-writer.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = 7;
/** What a Debian root file system with a kernel has: 15,000 files, most of them small. */
const FOLDERS = 1500;
const FILES = 13_500;

/**
 * Importing the tar of a root file system (until it could be booted) against `tar -x` of it to the same disk, in turns.
 * The rows beside it tell what bounds an import: its SHA-256, and a plain copy.
 */
export async function bench(): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), 'bootyard-bench-'));
  try {
    const tar = join(home, 'root.tar');
    makeTar(tar);
    const times: Record<'ours' | 'tar' | 'hash' | 'copy', number[]> = {
      ours: [],
      tar: [],
      hash: [],
      copy: [],
    };
    for (let round = 0; round < ROUNDS; round++) {
      times.tar.push(timed(() => run(home, 'tar', ['-C', 'out', '-xf', tar])));
      times.hash.push(timed(() => hashFile(tar)));
      times.copy.push(timed(() => run(home, 'cp', [tar, 'out'])));
      settle(home);
      const store = new ImageStore(join(home, 'store'));
      const start = performance.now();
      const { id } = await store.import({ path: tar, name: 'bench' });
      (await store.tree(id)).close();
      times.ours.push(performance.now() - start);
      settle(home);
    }
    return rowsOf(times);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function rowsOf(times: Record<'ours' | 'tar' | 'hash' | 'copy', number[]>): BenchRow[] {
  const ours = median(times.ours);
  const row = (name: string, list: number[], peerName: string, target: number | null): BenchRow => {
    const peer = median(list);
    const ratio = peer / ours;
    return {
      name,
      unit: 'ms',
      ours,
      peer,
      peerName,
      ratio,
      target,
      met: target === null ? null : ratio >= target,
    };
  };
  return [
    row('import of a root tar (417 MB, 15,000 entries)', times.tar, 'tar -x', 10),
    row('import of a root tar, its bound: hash', times.hash, 'SHA-256 alone', null),
    row('import of a root tar, its bound: copy', times.copy, 'cp', null),
  ];
}

function run(cwd: string, command: string, args: string[]): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Reads and hashes in one thread: an OCI store names content by its SHA-256, so no import can be faster. */
function hashFile(file: string): void {
  const fd = openSync(file, 'r');
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafeSlow(1 << 20);
  for (let count = readSync(fd, chunk); count > 0; count = readSync(fd, chunk))
    hash.update(chunk.subarray(0, count));
  hash.digest();
  closeSync(fd);
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Empties the folders that are written to, and lets the disk come to rest, so that no round pays for another. */
function settle(home: string): void {
  for (const folder of ['out', 'store']) rmSync(join(home, folder), { recursive: true, force: true });
  mkdirSync(join(home, 'out'));
  run(home, 'sync', ['-f', home]);
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Sizes in turns as they come in /usr: many of some KiB, few of many MiB; 417 MB in all. */
export function makeTar(tar: string, files = FILES): void {
  const fd = openSync(tar, 'w');
  const noise = readFileSync(process.execPath).subarray(0, 64 << 20);
  const write = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  };
  for (let at = 0; at < FOLDERS; at++) {
    write(entryHeader({ path: `usr/d${at % 30}/e${at}`, type: 'directory', mode: 0o755 }, 0));
  }
  for (let at = 0; at < files; at++) {
    const size = at % 1000 === 0 ? 14 << 20 : at % 50 === 0 ? 350_000 : 200 + ((at * 7919) % 16_000);
    const start = (at * 65_537) % (noise.length - size);
    write(
      entryHeader({ path: `usr/d${at % 30}/e${at % FOLDERS}/file-${at}`, type: 'file', mode: 0o644 }, size),
    );
    write(noise.subarray(start, start + size));
    write(padding(size));
  }
  write(END_OF_TAR);
  fdatasyncSync(fd);
  closeSync(fd);
  mkdirSync(join(tar, '../out'));
}
