import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PersistShares } from '../../backend/persist/shares.ts';
import { shareUsage } from '../../backend/persist/usage.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { attributes, Nfs, PersistClient, readAttributes, shareTo } from '../support/persist.ts';
import { xdr, type Reply } from '../support/rpc-client.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'bootyard-persist-'));
const persist = new PersistShares({
  log: () => {},
  onLost: (error) => {
    throw error;
  },
});
const share = persist.share(join(folder, 'share'));
const server = new NfsServer({
  address: '127.0.0.1',
  exports: shareTo('127.0.0.1', share),
  publish: () => {},
});
const client = new PersistClient();
let root: Buffer;

beforeAll(async () => {
  await server.start();
  root = await client.mount();
});
afterAll(async () => {
  client.close();
  await server.close();
  await persist.close();
  rmSync(folder, { recursive: true, force: true });
});

let counter = 0;
/** An empty directory for one test. */
async function place(): Promise<Buffer> {
  return (await client.mkdir(root, `place-${++counter}`)).handle;
}

it('tells what a share holds, without the holes of files', async () => {
  expect(await shareUsage(join(folder, 'nobody'))).toEqual({ objects: 0, bytes: 0 });
  const before = await shareUsage(join(folder, 'share'));
  const directory = await place();
  const { handle } = await client.create(directory, 'small');
  await client.write(handle, 0n, Buffer.from('12345'));
  const sparse = await client.create(directory, 'sparse');
  await client.write(sparse.handle, 1n << 30n, Buffer.from('end'));
  const after = await shareUsage(join(folder, 'share'));
  expect(after.objects - before.objects).toBe(3);
  expect(after.bytes - before.bytes).toBeGreaterThanOrEqual(5 + 3);
  expect(after.bytes - before.bytes).toBeLessThan(1 << 20);
  expect(existsSync(join(folder, 'nobody'))).toBe(false);
});

describe('libnfs', () => {
  it('copies a file there and back', async () => {
    const [from, back] = [join(folder, 'from'), join(folder, 'back')];
    writeFileSync(from, randomBytes(5_000_001));
    await run('nfs-cp', [from, 'nfs://127.0.0.1/persist/copied']);
    await run('nfs-cp', ['nfs://127.0.0.1/persist/copied', back]);
    expect(readFileSync(back).equals(readFileSync(from))).toBe(true);
    expect((await run('nfs-ls', ['nfs://127.0.0.1/persist/'])).stdout).toMatch(/ 5000001 copied\n/);
  });
});

describe('CREATE', () => {
  it('UNCHECKED takes what is there, GUARDED does not', async () => {
    const directory = await place();
    const first = await client.create(directory, 'f');
    await client.write(first.handle, 0n, Buffer.from('kept'));
    expect((await client.create(directory, 'f')).handle).toEqual(first.handle);
    expect((await client.attributes(first.handle)).size).toBe(4n);
    const guarded = xdr()
      .u32(1)
      .append(attributes({ mode: 0o600 }));
    expect((await client.create(directory, 'f', guarded)).status).toBe(17);
    const empty = xdr()
      .u32(0)
      .append(attributes({ size: 0n }));
    expect((await client.create(directory, 'f', empty)).status).toBe(0);
    expect((await client.attributes(first.handle)).size).toBe(0n);
    expect((await client.create(root, `place-${counter}`)).status).toBe(17);
  });

  it('EXCLUSIVE succeeds again for the same verifier only', async () => {
    const directory = await place();
    const how = (verifier: bigint) => xdr().u32(2).u64(verifier);
    const first = await client.create(directory, 'x', how(5n));
    expect(first.status).toBe(0);
    expect(await client.create(directory, 'x', how(5n))).toEqual(first);
    expect((await client.create(directory, 'x', how(6n))).status).toBe(17);
  });
});

/** wcc_data */
function readChange(results: Reply): { before: bigint[]; after: ReturnType<typeof readAttributes> } {
  expect(results.u32()).toBe(1);
  const before = [results.u64(), results.u64(), results.u64()];
  expect(results.u32()).toBe(1);
  return { before, after: readAttributes(results) };
}

describe('SETATTR', () => {
  it('tells what was before and is now, and heeds its guard', async () => {
    const { handle } = await client.create(await place(), 'f');
    const { ctime, mtime, size } = await client.attributes(handle);
    const ask = (guard: bigint, set: Parameters<typeof attributes>[0]) =>
      client.ask(Nfs.setattr, xdr().opaque(handle).append(attributes(set)).u32(1).u64(guard));
    const { status, results } = await ask(ctime, { mode: 0o4711, uid: 70000, gid: 4_000_000_000, size: 9n });
    expect(status).toBe(0);
    const { before, after } = readChange(results);
    expect(before).toEqual([size, mtime, ctime]);
    expect(after).toMatchObject({ uid: 70000, gid: 4_000_000_000, size: 9n });
    expect(after.ctime).toBeGreaterThan(ctime);
    expect((await ask(ctime, { mode: 0o777 })).status).toBe(10002);
    expect((await client.attributes(handle)).ctime).toBe(after.ctime);
  });

  it.each([
    [2n ** 63n, 27],
    [2n ** 64n - 1n, 27],
    [2n ** 44n, 27],
    [2n ** 43n, 0],
  ])('a size of %s gives %i', async (size, expected) => {
    const { handle } = await client.create(await place(), 'f');
    const args = xdr().opaque(handle).append(attributes({ size })).u32(0);
    expect((await client.ask(Nfs.setattr, args)).status).toBe(expected);
    expect((await client.write(handle, size, Buffer.from('x'))).status).toBe(expected);
  });
});

describe('names', () => {
  it('errors are those of the RFC', async () => {
    const directory = await place();
    const { handle: file } = await client.create(directory, 'f');
    const { handle: sub } = await client.mkdir(directory, 'd');
    await client.create(sub, 'inside');
    expect(await client.named(Nfs.rmdir, directory, 'd')).toBe(66);
    expect(await client.named(Nfs.rmdir, directory, 'f')).toBe(20);
    expect(await client.named(Nfs.remove, directory, 'd')).toBe(21);
    expect(await client.named(Nfs.remove, directory, 'none')).toBe(2);
    expect(await client.named(Nfs.remove, file, 'f')).toBe(20);
    expect((await client.mkdir(directory, 'f')).status).toBe(17);
    expect((await client.create(directory, 'n'.repeat(255))).status).toBe(0);
    expect((await client.create(directory, 'n'.repeat(256))).status).toBe(63);
    for (const name of ['', 'a/b', '../x', 'a\0b']) {
      expect((await client.create(directory, name)).status).toBe(22);
    }
    expect((await client.mkdir(directory, '..')).status).toBe(17);
    expect(await client.rename(directory, 'f', directory, 'd')).toBe(17);
    expect(await client.rename(root, `place-${counter}`, sub, 'x')).toBe(22);
    expect(await client.rename(directory, '.', sub, 'x')).toBe(22);
    const link = (what: Buffer, name: string) =>
      client.ask(Nfs.link, xdr().opaque(what).opaque(directory).opaque(name));
    expect((await link(sub, 'x')).status).toBe(22);
    expect((await link(file, 'd')).status).toBe(17);
    expect((await link(file, 'second')).status).toBe(0);
    expect((await client.attributes(file)).nlink).toBe(2);
  });

  it('a handle is stale when its object is gone, and for any other client', async () => {
    const directory = await place();
    const { handle } = await client.create(directory, 'f');
    const stranger = new PersistClient('127.0.0.2');
    await expect(stranger.mount()).rejects.toThrow('not mounted');
    for (const procedure of [Nfs.access, Nfs.read, Nfs.write, Nfs.commit, Nfs.readdirplus, Nfs.setattr, 1]) {
      const args = xdr().opaque(handle).u64(0n).u64(0n).u64(0n);
      expect((await stranger.ask(procedure, args)).status).toBe(70);
    }
    stranger.close();
    expect(await client.named(Nfs.remove, directory, 'f')).toBe(0);
    expect((await client.write(handle, 0n, Buffer.from('x'))).status).toBe(70);
    const forged = Buffer.from(handle);
    forged.writeUInt32BE(1, 12);
    expect((await client.ask(1, xdr().opaque(forged))).status).toBe(70);
  });

  it('a listing goes on rightly while names come and go', async () => {
    const directory = await place();
    for (let file = 0; file < 100; file++) await client.create(directory, `f${file}`);
    const seen: string[] = [];
    let cookie = 0n;
    for (let page = 0, end = false; !end; page++) {
      const { entries, end: last } = await client.page(directory, cookie, 512);
      seen.push(...entries.map(([name]) => name));
      cookie = entries.at(-1)?.[1] ?? cookie;
      end = last;
      // What was listed last goes, and so does one that is still to come.
      if (page < 5) {
        await client.named(Nfs.remove, directory, seen.at(-1) ?? '');
        await client.named(Nfs.remove, directory, `f${99 - page}`);
        await client.create(directory, `new${page}`);
      }
    }
    const expected = Array.from({ length: 95 }, (_, file) => `f${file}`);
    expect(seen.filter((name) => name.startsWith('f'))).toEqual(expected);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe('calls that come twice', () => {
  it('are done once and answered alike', async () => {
    const directory = await place();
    const calls = [
      client.call(Nfs.mkdir, xdr().opaque(directory).opaque('d').append(attributes())),
      client.call(Nfs.rename, xdr().opaque(directory).opaque('d').opaque(directory).opaque('e')),
      client.call(Nfs.rmdir, xdr().opaque(directory).opaque('e')),
    ];
    for (const call of calls) {
      const first = await client.send(call);
      expect(first.results.u32()).toBe(0);
      await persist.rest(join(folder, 'share'));
      const again = await client.send(call);
      expect(again.results.bytes).toEqual(first.results.bytes);
    }
    expect((await client.page(directory, 0n)).entries.map(([name]) => name)).toEqual(['.', '..']);
  });
});

describe('permissions', () => {
  const somebody = new PersistClient('127.0.0.1', { uid: 1000, gid: 1000, groups: [50] });
  afterAll(() => somebody.close());

  it('are checked against the caller', async () => {
    const directory = await place();
    const { handle: secret } = await client.create(directory, 'secret');
    await client.ask(
      Nfs.setattr,
      xdr()
        .opaque(secret)
        .append(attributes({ mode: 0o640 }))
        .u32(0),
    );
    expect((await somebody.create(directory, 'mine')).status).toBe(13);
    expect(await somebody.named(Nfs.remove, directory, 'secret')).toBe(13);
    await expect(somebody.read(secret, 0n, 10)).rejects.toThrow('READ: 13');
    expect((await somebody.write(secret, 0n, Buffer.from('x'))).status).toBe(13);
    const change = (set: Parameters<typeof attributes>[0]) =>
      somebody.ask(Nfs.setattr, xdr().opaque(secret).append(attributes(set)).u32(0));
    expect((await change({ mode: 0o777 })).status).toBe(1);
    expect((await change({ uid: 1000 })).status).toBe(1);
    await client.ask(
      Nfs.setattr,
      xdr()
        .opaque(secret)
        .append(attributes({ gid: 50 }))
        .u32(0),
    );
    expect(await somebody.read(secret, 0n, 10)).toHaveLength(0);
  });
});

describe('the disk', () => {
  it('FSSTAT tells its free space, less the reserve', async () => {
    const { results } = await client.ask(Nfs.fsstat, xdr().opaque(root));
    const [total, free] = [results.skip(88).u64(), results.u64()];
    const { blocks, bavail, bsize } = statfsSync(folder);
    expect(Number(total)).toBe(blocks * bsize);
    expect(Math.abs(bavail * bsize - 2 ** 30 - Number(free))).toBeLessThan(2 ** 30);
  });

  it('a write that would take the reserve is refused; after space is freed it is not', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'small', small]);
    try {
      const narrow = persist.share(join(small, 'share'));
      const other = new NfsServer({
        address: '127.0.0.3',
        exports: shareTo('127.0.0.1', narrow),
        publish: () => {},
      });
      await other.start();
      const full = new PersistClient('127.0.0.1', undefined, '127.0.0.3');
      const { handle } = await full.create(await full.mount(), 'f');
      let status = 0;
      let offset = 0n;
      for (; status === 0 && offset < 60; offset++) {
        ({ status } = await full.write(handle, offset * 1_000_000n, Buffer.alloc(1_000_000, 'x')));
      }
      expect(status).toBe(28);
      expect(offset).toBeGreaterThan(30n);
      expect((await full.attributes(handle)).size).toBe((offset - 1n) * 1_000_000n);
      const empty = xdr()
        .opaque(handle)
        .append(attributes({ size: 0n }))
        .u32(0);
      expect((await full.ask(Nfs.setattr, empty)).status).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect((await full.write(handle, 0n, Buffer.alloc(1_000_000))).status).toBe(0);
      full.close();
      await other.close();
      await persist.rest(join(small, 'share'));
    } finally {
      execFileSync('umount', [small]);
    }
  });
});
