import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { findKept, watchKept } from '../../backend/lab/kept-process.ts';
import { SwapProcess, swapFiles } from '../../backend/lab/swap-process.ts';
import { until } from '../support/lab.ts';

const run = promisify(execFile);
const URI = 'nbd://127.0.0.1/swap-16G';
let folder = '';
const daemons: SwapProcess[] = [];
const log: string[] = [];
const events: EventBody[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'by-swap-'));
});
afterEach(async () => {
  for (const daemon of daemons.splice(0)) daemon.close();
  const files = swapFiles(folder);
  const kept = findKept(files);
  if (kept) process.kill(kept.pid, 'SIGKILL');
  // Its shell still writes how it ended.
  if (existsSync(files.pidFile)) await watchKept(files);
  rmSync(folder, { recursive: true, force: true });
  log.length = events.length = 0;
});

/** A daemon that knows one node, which runs the boot given; as after its start. */
function daemon(boot: string, isWanted = true, place = folder): SwapProcess {
  const made = new SwapProcess({
    address: '127.0.0.1',
    run: folder,
    folder: place,
    publish: (event) => events.push(event),
    log: (line) => log.push(line),
  });
  daemons.push(made);
  made.serve({ '127.0.0.1': boot }, isWanted);
  made.start();
  return made;
}
const io = async (...commands: string[]): Promise<string> =>
  (await run('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), URI])).stdout;
const served = (wanted = true): Promise<unknown> =>
  until(
    wanted ? 'the export' : 'no export',
    () => run('nbdinfo', ['--size', URI]).catch(() => undefined),
    (answer) => (answer !== undefined) === wanted,
  );

describe('the swap server', () => {
  it('goes on without its daemon; the next one finds it, and what nodes have stored', async () => {
    const first = daemon('boot 1');
    await served();
    await io('write -P 7 1M 4M');
    const { pid } = findKept(swapFiles(folder)) ?? {};
    first.close();
    expect(await io('read -P 7 1M 4M')).not.toContain('failed');
    const seen = events.length;
    daemon('boot 1', false);
    await until(
      'an event',
      () => io('read -P 7 1M 4M').then(() => events.length),
      (count) => count > seen,
    );
    expect(findKept(swapFiles(folder))?.pid).toBe(pid);
    expect(events.at(-1)).toMatchObject({ kind: 'nbd', client: '127.0.0.1', path: 'swap-16G' });
  });

  it('lives on when a daemon dies that had not read all it was told', async () => {
    daemon('boot 1');
    await served();
    const { pid } = findKept(swapFiles(folder)) ?? {};
    const deaf = connect(swapFiles(folder).socket).pause();
    await once(deaf, 'connect');
    await served();
    deaf.destroy();
    await once(deaf, 'close');
    await served();
    expect(findKept(swapFiles(folder))?.pid).toBe(pid);
  });

  it('is told nothing before all nodes are known', async () => {
    const first = daemon('boot 1');
    await served();
    first.close();
    const next = new SwapProcess({
      address: '127.0.0.1',
      run: folder,
      folder,
      publish: () => undefined,
      log: (line) => log.push(line),
    });
    daemons.push(next);
    next.serve({}, true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await served();
    next.start();
    await served(false);
  });

  it('gives another boot empty space, and a node that is off none', async () => {
    const made = daemon('boot 1');
    await served();
    await io('write -P 7 1M 4M');
    made.serve({ '127.0.0.1': 'boot 2' }, true);
    await until(
      'empty space',
      () => io('read -P 0 1M 4M'),
      (said) => !said.includes('failed'),
    );
    made.serve({ '127.0.0.2': 'boot 3' }, true);
    await served(false);
  });

  it('says in the log that the disk is full', async () => {
    const place = join(folder, 'small');
    mkdirSync(place);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place]);
    try {
      daemon('boot 1', true, place);
      await served();
      expect(await io('write -P 7 0 3M')).not.toContain('failed');
      expect(
        (await run('sh', ['-c', `qemu-io -f raw -c 'write -P 8 4M 8M' ${URI} 2>&1; :`])).stdout,
      ).toContain('No space left on device');
      await until(
        'the line',
        () => log.join('\n'),
        (said) => said.includes('swap space of 127.0.0.1: a request failed: no room for its data'),
      );
    } finally {
      process.kill(findKept(swapFiles(folder))?.pid ?? 0, 'SIGKILL');
      await run('umount', ['-l', place]);
    }
  });

  it('is started again when it has died, which is said', async () => {
    daemon('boot 1');
    await served();
    const { pid = 0 } = findKept(swapFiles(folder)) ?? {};
    process.kill(pid, 'SIGKILL');
    await until(
      'another',
      () => findKept(swapFiles(folder))?.pid ?? pid,
      (now) => now !== pid,
    );
    await served();
    expect(log.join()).toContain('The swap server has ended');
  });
});
