import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Built } from '../../../backend/api/builds.ts';
import { watchBuilds } from '../../../backend/api/build-watch.ts';
import { until } from '../../support/lab.ts';

let folder: string;
let stop: AbortController;
let ended: Promise<void>;
let builds = 0;
let failures: unknown[] = [];
let changes: string[][] = [];
/** what the next builds do */
let outcome: () => Promise<Built> = () => Promise.resolve({} as Built);

beforeEach(async () => {
  folder = realpathSync(mkdtempSync('/tmp/bootyard-watch-'));
  builds = 0;
  failures = [];
  changes = [];
  outcome = () => Promise.resolve({} as Built);
  put('.dockerignore', 'logs\n*.tmp\n');
  put('Dockerfile', 'FROM x');
  mkdirSync(join(folder, 'logs'));
  stop = new AbortController();
  ended = watchBuilds(
    {
      folder,
      build: () => {
        builds++;
        return outcome();
      },
      onBuilt: () => undefined,
      onFailed: (error) => failures.push(error),
      onChange: (paths) => changes.push(paths),
    },
    stop.signal,
  );
  await built(1);
});
afterEach(async () => {
  stop.abort();
  await ended;
  rmSync(folder, { recursive: true });
});

function put(path: string, content: string): void {
  writeFileSync(join(folder, path), content);
}
async function built(count: number): Promise<void> {
  await until(
    'builds',
    () => builds,
    (now) => now === count,
    5000,
  );
}

describe('a watched build', () => {
  it('is made again once for saves that come together', async () => {
    put('a', '1');
    put('b', '1');
    put('Dockerfile', 'FROM y');
    await built(2);
    expect(changes.flat().sort()).toEqual(['Dockerfile', 'a', 'b']);
  });

  it('is not made again for what .dockerignore leaves out, until that changes', async () => {
    put('logs/x', '1');
    put('x.tmp', '1');
    put('a', '1');
    await built(2);
    expect(changes).toEqual([['a']]);
    put('.dockerignore', '*.tmp\n');
    await built(3);
    put('logs/x', '2');
    await built(4);
    expect(changes.at(-1)).toEqual(['logs/x']);
  });

  it('that fails is told, and the next save builds again', async () => {
    outcome = () => Promise.reject(new Error('no'));
    put('a', '1');
    await until(
      'told',
      () => failures.length,
      (count) => count === 1,
    );
    outcome = () => Promise.resolve({} as Built);
    put('a', '2');
    await built(3);
    expect(failures).toEqual([new Error('no')]);
  });

  it('is made once more for what is saved while it runs', async () => {
    const { promise, resolve } = Promise.withResolvers<Built>();
    outcome = () => promise;
    put('a', '1');
    await built(2);
    put('a', '2');
    put('c', '1');
    await until(
      'seen',
      () => changes.length,
      (count) => count === 1,
    );
    await new Promise((wake) => setTimeout(wake, 500));
    expect(builds).toBe(2);
    resolve({} as Built);
    await built(3);
    expect(changes.at(-1)?.sort()).toEqual(['a', 'c']);
  });
});
