import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { generator } from '../support/generator.ts';
import { Nfs, PersistClient, startPersistServer } from '../support/persist.ts';
import { xdr } from '../support/rpc-client.ts';
import { isLong } from '../support/long.ts';

const ROUNDS = isLong ? 20 : 5;
const WRITERS = 4;
const folder = mkdtempSync(join(tmpdir(), 'bootyard-kill-'));
let server: ChildProcess | undefined;
afterEach(() => {
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** What a writer was told is done: name → content, and names that are gone. */
interface Acknowledged {
  files: Map<string, Buffer>;
  gone: string[];
}

/** Waits until each writer has done a few files more. */
async function advanced(dones: Acknowledged[]): Promise<void> {
  const count = ({ files, gone }: Acknowledged): number => files.size + gone.length;
  const before = dones.map(count);
  while (dones.some((done, index) => count(done) < (before[index] ?? 0) + 4)) await delay(5);
}

/** Makes, writes, renames and removes files one after the other until `stop`; any error but those of a retry is a failure. */
async function writeFiles(
  name: string,
  random: (below: number) => number,
  done: Acknowledged,
  stop: AbortSignal,
): Promise<void> {
  const client = new PersistClient();
  const root = await client.mount();
  for (let file = 0; !stop.aborted; file++) {
    const path = `${name}-${file}`;
    const made = await client.create(root, path);
    expect({ path, status: made.status }).toEqual({ path, status: 0 });
    const content = Buffer.alloc(1 + random(20_000), path);
    const durable = random(2) === 0;
    for (;;) {
      const { status, verifier } = await client.write(made.handle, 0n, content, durable ? 2 : 0);
      expect(status).toBe(0);
      if (durable) break;
      const { status: committed, results } = await client.ask(
        Nfs.commit,
        xdr().opaque(made.handle).u64(0n).u32(0),
      );
      expect(committed).toBe(0);
      // Another verifier: the daemon was another one, and what it had not committed is written again.
      if (results.skip(28 + 88).u64() === verifier) break;
    }
    if (file % 3 === 1) {
      expect(await client.rename(root, path, root, `${path}-moved`)).toBe(0);
      done.gone.push(path);
      done.files.set(`${path}-moved`, content);
    } else if (file % 3 === 2) {
      expect(await client.named(Nfs.remove, root, path)).toBe(0);
      done.gone.push(path);
    } else done.files.set(path, content);
  }
  client.close();
}

async function expectAll(done: Acknowledged[]): Promise<void> {
  const client = new PersistClient();
  const root = await client.mount();
  for (const { files, gone } of done) {
    for (const [path, content] of files) {
      const { status, handle } = await client.lookup(root, path);
      expect({ path, status }).toEqual({ path, status: 0 });
      expect((await client.read(handle, 0n, 65536)).equals(content)).toBe(true);
    }
    for (const path of gone) expect((await client.lookup(root, path)).status).toBe(2);
  }
  client.close();
}

describe('kill -9 of the server while clients write', () => {
  it(`loses nothing that was acknowledged, and clients go on (${ROUNDS} rounds)`, async () => {
    const random = generator(7);
    for (let round = 0; round < ROUNDS; round++) {
      server = await startPersistServer(folder);
      const stop = new AbortController();
      const dones = Array.from({ length: WRITERS }, (): Acknowledged => ({ files: new Map(), gone: [] }));
      const writers = dones.map((done, writer) =>
        writeFiles(`r${round}-w${writer}`, random, done, stop.signal),
      );
      for (let kill = 0; kill < 3; kill++) {
        await advanced(dones);
        await delay(random(100));
        server.kill('SIGKILL');
        await once(server, 'exit');
        server = await startPersistServer(folder);
      }
      await advanced(dones);
      stop.abort();
      await Promise.all(writers);
      server.kill('SIGKILL');
      await once(server, 'exit');
      server = await startPersistServer(folder);
      await expectAll(dones);
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
  }, 400_000);
});
