import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../support/lab.ts';
import {
  run,
  MIB,
  URI,
  cleanup,
  folder,
  serve,
  serveSwap,
  RawClient,
  libnbd,
} from '../support/nbd-server.ts';

describe('swap space', () => {
  it('outlives a server that is killed and a client that comes again, not a power-off', async () => {
    const { server, swap } = await serveSwap();
    const write = `qemu-io -f raw -c 'write -P 5 1M 1M' ${URI}`;
    await run('sh', ['-c', write]);
    const holding = new RawClient();
    await holding.choose('swap-16G');
    await server.close();
    await holding.closed();
    const { server: next } = await serve(swap.of);
    expect((await run('qemu-io', ['-f', 'raw', '-c', 'read -P 5 1M 1M', URI])).stdout).not.toContain(
      'failed',
    );
    await next.dropClient('127.0.0.1');
    await swap.discard('127.0.0.1');
    expect(swap.usage()).toEqual([]);
    expect((await run('qemu-io', ['-f', 'raw', '-c', 'read -P 0 1M 1M', URI])).stdout).not.toContain(
      'failed',
    );
  });

  it('a client that is killed while it writes may come again at once', async () => {
    const { swap } = await serveSwap();
    for (let round = 0; round < 5; round++) {
      const load = spawn('nbdcopy', ['/dev/zero', URI], { stdio: 'ignore' });
      await until(
        'some data',
        () => swap.usage()[0]?.storedBytes ?? 0,
        (bytes) => bytes > round * 8 * MIB,
      );
      load.kill('SIGKILL');
      await once(load, 'exit');
    }
    expect((await run('nbdinfo', ['--size', URI])).stdout.trim()).toBe(String(16 * 1024 * MIB));
  });

  it('on a full disk: ENOSPC, and on as soon as there is room', async () => {
    const place = join(folder, 'small');
    mkdirSync(place);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', place]);
    cleanup.push(() => run('umount', ['-l', place]));
    const { swap } = await serveSwap(undefined, place);
    const printed = await libnbd(`
      h.connect_uri(uri)
      h.pwrite(b'a' * (6 << 20), 0)
      print(fails(h.pwrite, b'b' * (4 << 20), 6 << 20), fails(h.pwrite, b'c' * 4096, 12 << 30))
      print(bytes(h.pread(2, (6 << 20) - 2)), fails(h.flush))
      h.trim(10 << 20, 0)
      h.pwrite(b'd' * (7 << 20), 3 << 30)
      print(bytes(h.pread(2, (3 << 30) + (7 << 20) - 1)))`);
    expect(printed.split('\n')).toEqual(['ENOSPC ENOSPC', "b'aa' ok", String.raw`b'd\x00'`]);
    expect(swap.usage()[0]?.fileBytes).toBeLessThan(12 * MIB);
  });

  it('stays within its limit', async () => {
    const { swap } = await serveSwap(3 * MIB);
    const printed = await libnbd(`
      h.connect_uri(uri)
      print([fails(h.pwrite, b'x' * (1 << 20), n << 30) for n in range(5)])
      h.trim(1 << 20, 1 << 30)
      print(fails(h.pwrite, b'x' * (1 << 20), 9 << 30))`);
    expect(printed).toBe("['ok', 'ok', 'ok', 'ENOSPC', 'ENOSPC']\nok");
    expect(swap.usage()).toEqual([{ client: '127.0.0.1', storedBytes: 3 * MIB, fileBytes: 3 * MIB }]);
  });
});
