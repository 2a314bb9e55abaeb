import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PersistShares } from '../../backend/persist/shares.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { generator } from '../support/generator.ts';
import { JunkSender, mutate } from '../support/nfs-junk.ts';
import { attributes, Nfs, PersistClient, shareTo } from '../support/persist.ts';
import { expectConsistent } from '../support/persist-check.ts';
import { nfs, record, xdr, type Xdr } from '../support/rpc-client.ts';

const MIB = 1024 * 1024;
const CALLS = 100_000;
const folder = mkdtempSync(join(tmpdir(), 'bootyard-persist-fuzz-'));
const log: string[] = [];
const persist = new PersistShares({
  log: (line) => log.push(line),
  onLost: (error) => log.push(`lost: ${String(error)}`),
});
const share = persist.share(folder);
const server = new NfsServer({
  address: '127.0.0.1',
  exports: shareTo('127.0.0.1', share),
  publish: () => {},
});
const client = new PersistClient();
beforeAll(() => server.start());
afterAll(async () => {
  client.close();
  await server.close();
  await persist.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An object that calls name, by its handle and by a directory and a name. */
interface Known {
  handle: Buffer;
  directory: Buffer;
  name: string;
}

/** Some directories and files; the names of those that there are not are wanted, too. */
async function makeObjects(root: Buffer): Promise<Known[]> {
  const objects: Known[] = [];
  const directories = [root];
  for (const [at, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    const directory = directories[at >> 1] ?? root;
    const { handle } = await client.mkdir(directory, name);
    directories.push(handle);
    objects.push({ handle, directory, name });
    const file = await client.create(handle, `file-${name}`);
    await client.write(file.handle, 0n, Buffer.alloc(10_000, name));
    objects.push({ handle: file.handle, directory: handle, name: `file-${name}` });
  }
  return objects;
}

/** A valid call of a random procedure on random objects. */
function randomCall(objects: Known[], random: (below: number) => number): Buffer {
  const one = objects[random(objects.length)];
  const other = objects[random(objects.length)];
  if (!one || !other) throw new Error('no objects');
  const name = random(3) === 0 ? `new-${random(60)}` : other.name;
  const place = (): Xdr => xdr().opaque(other.directory).opaque(name);
  const self = (): Xdr => xdr().opaque(one.handle);
  const set = attributes({ mode: random(0o10000), uid: random(3), size: BigInt(random(100_000)) });
  const special = (type: number): Xdr =>
    type < 5
      ? xdr()
          .u32(type)
          .append(attributes({ mode: 0o600 }))
          .u32(4, 64)
      : xdr().u32(type).append(set);
  const arguments_: Record<number, () => Xdr> = {
    [Nfs.setattr]: () => self().append(set).u32(0),
    [Nfs.lookup]: place,
    [Nfs.access]: () => self().u32(63),
    [Nfs.read]: () =>
      self()
        .u64(BigInt(random(20_000)))
        .u32(random(70_000)),
    [Nfs.write]: () => writeTo(self(), random),
    [Nfs.create]: () => [place().u32(random(2)).append(set), place().u32(2).u64(5n)][random(2)] ?? place(),
    [Nfs.mkdir]: () => place().append(attributes({ mode: 0o755 })),
    [Nfs.symlink]: () => place().append(attributes()).opaque('../target'),
    [Nfs.mknod]: () => place().append(special(3 + random(5))),
    [Nfs.remove]: place,
    [Nfs.rmdir]: place,
    [Nfs.rename]: () =>
      place()
        .opaque(one.directory)
        .opaque(random(2) ? one.name : `new-${random(60)}`),
    [Nfs.link]: () => self().append(place()),
    [Nfs.readdir]: () =>
      self()
        .u64(BigInt(random(10)))
        .u64(0n)
        .u32(4096),
    [Nfs.readdirplus]: () =>
      self()
        .u64(BigInt(random(10)))
        .u64(0n)
        .u32(4096, 8192),
    [Nfs.commit]: () => self().u64(0n).u32(0),
  };
  const procedure = random(22);
  return nfs(procedure, (arguments_[procedure]?.() ?? self()).bytes(), { uid: random(2), gid: random(2) });
}

function writeTo(file: Xdr, random: (below: number) => number): Xdr {
  const data = Buffer.alloc(random(3000), random(256));
  const offset = random(20) === 0 ? BigInt(random(2 ** 31)) ** 2n : BigInt(random(50_000));
  // Few wait for the disk: this test is not about its speed.
  const stable = random(50) === 0 ? 2 : 0;
  return file.u64(offset).u32(data.length, stable).opaque(data);
}

describe('a share under junk', () => {
  it(`${CALLS} random and mutated calls do no harm`, async () => {
    const random = generator(11);
    const root = await client.mount();
    const untouched = await client.mkdir(root, 'untouched');
    await client.write((await client.create(untouched.handle, 'f')).handle, 0n, Buffer.from('as it was'));
    const before = process.memoryUsage.rss();
    const sender = new JunkSender();
    let objects: Known[] = [];
    for (let sent = 0, batch = 0; sent < CALLS; sent += 20, batch++) {
      // Calls remove what they work on.
      if (batch % 100 === 0) {
        const { handle } = await client.mkdir(root, `batch-${batch}`);
        objects = await makeObjects(handle);
      }
      const calls = Array.from({ length: 20 }, () => {
        const call = randomCall(objects, random);
        return record(random(2) === 0 ? call : mutate(call, random));
      });
      await sender.send(Buffer.concat(calls), false);
    }
    sender.close();
    expect(sender.finished).toBeGreaterThan(CALLS / 20 / 2);
    expect(log).toEqual([]);
    expect(process.memoryUsage.rss() - before).toBeLessThan(250 * MIB);

    const { handle } = await client.lookup(untouched.handle, 'f');
    expect(String(await client.read(handle, 0n, 100))).toBe('as it was');
    await persist.rest(folder);
    expect(expectConsistent(folder)).toBeGreaterThan(500);
    // A new store makes of it what the old one did.
    expect(String(await client.read(handle, 0n, 100))).toBe('as it was');
  }, 400_000);
});
