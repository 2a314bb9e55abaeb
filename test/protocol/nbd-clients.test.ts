import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SparseFile } from '../../backend/protocols/nbd/sparse-file.ts';
import { until } from '../support/lab.ts';
import {
  run,
  MIB,
  URI,
  cleanup,
  folder,
  serve,
  serveSwap,
  exportOf,
  MemoryStore,
  sha,
  libnbd,
} from '../support/nbd-server.ts';

describe('libnbd and QEMU', () => {
  it('list the exports and their qualities', async () => {
    const { events } = await serveSwap();
    const list = JSON.parse((await run('nbdinfo', ['--list', '--json', 'nbd://127.0.0.1'])).stdout);
    expect(list).toMatchObject({ protocol: 'newstyle-fixed', structured: true, TLS: false });
    expect(list.exports).toHaveLength(1);
    const { stdout } = await run('nbdinfo', ['--json', 'nbd://127.0.0.1']);
    expect(JSON.parse(stdout).exports[0]).toMatchObject({
      description: 'Swap space, empty at power-on',
      'export-size': 16 * 1024 * MIB,
      is_read_only: false,
      can_df: true,
      can_cache: false,
      can_fast_zero: true,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    });
    expect((await run('nbd-client', ['-l', '127.0.0.1'])).stdout).toContain('swap-16G');
    await expect(run('nbdinfo', ['nbd://127.0.0.1/other'])).rejects.toThrow('No such file');
    await until(
      'refusal',
      () => events.at(-1),
      (event) => event?.phase === 'refused',
    );
    expect(events.at(-1)).toMatchObject({ client: '127.0.0.1', path: 'other', cause: /no export/ });
  });

  it("nodes' own client gets through the handshake", async () => {
    await serveSwap();
    // The device is missing here; the negotiation comes before it.
    const ended = await run('nbd-client', ['-N', 'swap-16G', '127.0.0.1', '/dev/nbd0']).catch(
      (error) => error,
    );
    expect(String(ended.stdout)).toContain('size = 16384MB');
  });

  it('nbdcopy copies there and back over several connections', async () => {
    const { events, swap } = await serveSwap();
    const content = randomBytes(40 * MIB + 12_345);
    writeFileSync(join(folder, 'in'), content);
    await run('nbdcopy', ['--connections=4', join(folder, 'in'), URI]);
    expect(swap.usage()[0]?.storedBytes).toBe(Math.ceil(content.length / 4096) * 4096);
    const copy = `nbdcopy ${URI} - | head -c ${content.length} | sha256sum`;
    expect((await run('sh', ['-c', copy])).stdout).toContain(sha(content));
    const count = (phase: string): number => events.filter((event) => event.phase === phase).length;
    await until(
      'all ends',
      () => [count('start'), count('end')],
      ([starts, ends]) => starts === ends,
    );
    expect(count('end')).toBeGreaterThanOrEqual(3);
    const written = events.reduce((sum, event) => sum + event.bytesWritten, 0);
    expect(written).toBe(content.length);
  });

  it('qemu-img converts into and out of an export', async () => {
    const size = 24 * MIB;
    const file = await SparseFile.create(folder, size);
    cleanup.push(() => file.close());
    await serve(() => [exportOf(file, size)]);
    const content = Buffer.concat([randomBytes(5 * MIB), Buffer.alloc(10 * MIB), randomBytes(9 * MIB)]);
    writeFileSync(join(folder, 'in'), content);
    const uri = 'nbd://127.0.0.1/disk';
    await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', join(folder, 'in'), uri]);
    expect(file.storedBytes).toBe(14 * MIB);
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, join(folder, 'out')]);
    expect(sha(readFileSync(join(folder, 'out')))).toBe(sha(content));
  });

  it('qemu-io writes, zeroes, discards and reads patterns of any alignment', async () => {
    const { swap } = await serveSwap();
    const commands = [
      'write -P 0x55 1M 3M',
      'write -z -u 1M 1M',
      'discard 2M 1M',
      'write -P 0x66 1234567 100',
      'write -f -P 0x77 15G 32M',
      'flush',
      'read -P 0 1M 185991',
      'read -P 0x66 1234567 100',
      'read -P 0 1234667 4096',
      'read -P 0x55 3M 1M',
      'read -P 0x77 15G 32M',
      'read -P 0 10G 4M',
    ].flatMap((command) => ['-c', command]);
    const { stdout } = await run('qemu-io', ['-f', 'raw', ...commands, URI]);
    expect(stdout).not.toMatch(/fail|error/i);
    // What was zeroed or discarded takes no space.
    expect(swap.usage()[0]?.storedBytes).toBe(33 * MIB + 4096);
  });

  it('answer odd requests with the errors of the protocol', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.connect_uri(uri)
      size = h.get_size()
      print(fails(h.pread, 0, 0), fails(h.pread, 2, size - 1), fails(h.pread, 33 << 20, 0))
      print(fails(h.pwrite, b'xx', size - 1), fails(h.zero, 2, size - 1), fails(h.trim, 2, size - 1))
      print(fails(h.pwrite, b'x', 0, flags=nbd.CMD_FLAG_DF), fails(h.cache, 1, 0))
      print(fails(h.zero, 4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO))
      print(fails(h.zero, 4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE))
      h.pwrite(b'yes', 5, flags=nbd.CMD_FLAG_FUA)
      print(fails(h.pread, 3 << 20, 0, flags=nbd.CMD_FLAG_DF), fails(h.block_status, 1, 0, lambda *a: 0))
      h.flush()
      print(bytes(h.pread(5, 4)))`);
    expect(printed.split('\n')).toEqual([
      'EINVAL EINVAL EINVAL',
      'ENOSPC ENOSPC EINVAL',
      'EINVAL EINVAL',
      'ok',
      expect.stringMatching(/^E(OPNOTSUPP|NOTSUP)$/),
      'EOVERFLOW EINVAL',
      String.raw`b'\x00yes\x00'`,
    ]);
  });

  it('see holes as holes, and data that is not fragmented when they ask for it', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.connect_uri(uri)
      h.pwrite(b'x' * 4096, 8192)
      def seen(*a, **k):
        chunks = []
        h.pread_structured(*a, lambda b, o, s, e: chunks.append((o, len(b), s)), **k)
        return chunks
      print(seen(8192, 0), seen(8192, 4096), seen(12288, 0, flags=nbd.CMD_FLAG_DF))
      print(seen(5 << 20, 0), nbd.READ_DATA, nbd.READ_HOLE)
      h.zero(4096, 8192, flags=nbd.CMD_FLAG_NO_HOLE)
      print(seen(4096, 8192))
      h.zero(4096, 8192)
      print(seen(4096, 8192))`);
    const chunks = '[(0, 2097152, 1), (2097152, 2097152, 1), (4194304, 1048576, 1)]';
    expect(printed.split('\n')).toEqual([
      '[(0, 8192, 2)] [(4096, 8192, 1)] [(0, 12288, 1)]',
      `${chunks} 1 2`,
      '[(8192, 4096, 1)]',
      '[(8192, 4096, 2)]',
    ]);
  });

  it('get simple replies without structured ones, the longest read among them', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.set_request_structured_replies(False)
      h.connect_uri(uri)
      data = bytes(range(256)) * (32 << 12)
      h.pwrite(data, 1 << 30)
      print(bytes(h.pread(32 << 20, 1 << 30)) == data, bytes(h.pread(3, (1 << 30) + 1)), h.can_df())
      print(fails(h.pread, 1, h.get_size()), bytes(h.pread(1, (1 << 30) + 7)))`);
    expect(printed).toBe(String.raw`True b'\x01\x02\x03' False` + '\n' + String.raw`EINVAL b'\x07'`);
  });

  it('cannot write to what is read-only', async () => {
    const store = new MemoryStore(MIB);
    await serve(() => [exportOf(store, MIB, { readOnly: true, shared: false })]);
    const uri = 'nbd://127.0.0.1/disk';
    const { stdout } = await run('nbdinfo', ['--json', uri]);
    const qualities = { is_read_only: true, can_trim: false, can_zero: false, can_multi_conn: false };
    expect(JSON.parse(stdout).exports[0]).toMatchObject(qualities);
    const script = `
      h.connect_uri(uri)
      print(fails(h.pwrite, b'x', 0), fails(h.trim, 1, 0), fails(h.zero, 1, 0), fails(h.flush))`;
    expect(await libnbd(script, uri)).toBe('EPERM EPERM EPERM ok');
    expect(store.bytes[0]).toBe(0);
  });
});
