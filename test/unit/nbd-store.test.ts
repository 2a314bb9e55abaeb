import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gate } from '../../backend/protocols/nbd/gate.ts';
import { PageMap } from '../../backend/protocols/nbd/page-map.ts';
import { PAGE, SparseFile } from '../../backend/protocols/nbd/sparse-file.ts';
import { SwapExports } from '../../backend/protocols/nbd/swap-exports.ts';
import { generator } from '../support/generator.ts';

const MIB = 1024 * 1024;
let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'by-nbd-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bytesOf(file: SparseFile, position: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length, 0xee);
  await file.read(target, position);
  return target;
}

describe('page map', () => {
  it('gives the lowest free slot, and never two pages the same', () => {
    const map = new PageMap(1000, 100);
    for (let page = 500; page < 600; page++) map.assign(page);
    expect([map.count, map.end, map.free]).toEqual([100, 100, 0]);
    for (const page of [510, 570, 503]) map.forget(page);
    for (const page of [1, 2, 3]) map.assign(page);
    expect([map.slotOf(1), map.slotOf(2), map.slotOf(3)]).toEqual([3, 10, 70]);
    map.forget(599);
    map.forget(598);
    map.forget(598);
    expect([map.count, map.end, map.free]).toEqual([98, 98, 2]);
    const slots = Array.from({ length: 1000 }, (_, page) => map.slotOf(page)).filter((slot) => slot >= 0);
    expect(new Set(slots).size).toBe(98);
  });

  it('ends where the highest used slot ends', () => {
    const map = new PageMap(10, 10);
    for (let page = 0; page < 10; page++) map.assign(page);
    for (const page of [8, 7, 9]) map.forget(page);
    expect(map.end).toBe(7);
  });
});

describe('gate', () => {
  it('lets one alone only when all others are out, and others in only after it', async () => {
    const gate = new Gate();
    const log: string[] = [];
    const work = (name: string) => async () => {
      log.push(`${name} in`);
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`${name} out`);
    };
    const failing = gate.alone(() => Promise.reject(new Error('expected')));
    await expect(failing).rejects.toThrow('expected');
    await Promise.all([
      gate.together(work('a')),
      gate.together(work('b')),
      gate.alone(work('C')),
      gate.together(work('d')),
      gate.alone(work('E')),
      gate.together(work('f')),
    ]);
    expect(log.slice(0, 6)).toEqual(['a in', 'b in', 'a out', 'b out', 'C in', 'C out']);
    expect(log.indexOf('E out')).toBe(log.indexOf('E in') + 1);
    expect(log).toHaveLength(12);
  });
});

describe('sparse file', () => {
  /** Changes a range of the file and of its model in some way. */
  async function change(
    file: SparseFile,
    model: Buffer,
    range: [from: number, to: number],
    random: (below: number) => number,
  ): Promise<void> {
    const [from, to] = range;
    const start = from + random(to - from);
    const length = 1 + random(Math.min(to - start, random(3) === 0 ? 200 : 60_000));
    const kind = random(5);
    if (kind === 0) {
      model.fill(0, start, start + length);
      await file.zero(start, length, random(3) === 0);
    } else if (kind === 1) {
      const end = start + length;
      const endWhole = end === model.length ? end : Math.floor(end / PAGE) * PAGE;
      const startWhole = Math.ceil(start / PAGE) * PAGE;
      if (startWhole < endWhole) model.fill(0, startWhole, endWhole);
      await file.trim(start, length);
    } else if (kind === 2) {
      const expected = Buffer.from(model.subarray(start, start + length));
      expect((await bytesOf(file, start, length)).equals(expected)).toBe(true);
    } else {
      const data = Buffer.alloc(length, 1 + random(255));
      data.copy(model, start);
      await file.write(data, start);
    }
  }

  it('holds what was written, by many at once whose ranges share pages', async () => {
    const size = MIB + 100;
    const file = await SparseFile.create(folder, size);
    const model = Buffer.alloc(size);
    const borders = [0, 100_001, 333_333, 700_001, size];
    const actors = borders.slice(1).map(async (to, actor) => {
      const random = generator(actor);
      for (let turn = 0; turn < 800; turn++) await change(file, model, [borders[actor] ?? 0, to], random);
    });
    await Promise.all(actors);
    expect((await bytesOf(file, 0, size)).equals(model)).toBe(true);
    expect(file.fileBytes).toBeLessThanOrEqual(Math.ceil(size / PAGE) * PAGE);
    await file.trim(0, size);
    expect([file.storedBytes, file.fileBytes, file.isHole(0, size)]).toEqual([0, 0, true]);
    expect((await bytesOf(file, 0, size)).every((byte) => byte === 0)).toBe(true);
    await file.close();
  });

  it('is not seen in its folder, and shows no bytes of pages that were given up', async () => {
    const file = await SparseFile.create(folder, MIB);
    expect(readdirSync(folder)).toEqual([]);
    await file.write(Buffer.alloc(MIB, 7), 0);
    await file.trim(0, MIB / 2);
    await file.write(Buffer.from([1]), 10_000);
    const page = await bytesOf(file, 8192, PAGE);
    expect(page.filter((byte) => byte !== 0)).toEqual(Buffer.from([1]));
    expect(file.storedBytes).toBe(MIB / 2 + PAGE);
    await file.close();
  });

  it('pads a page that loses its place while a write to it waits', async () => {
    const file = await SparseFile.create(folder, MIB);
    for (let turns = 0; turns < 20; turns++) {
      await file.write(Buffer.alloc(2 * PAGE, 7), 0);
      const underWay = bytesOf(file, 0, 10);
      const zeroed = file.zero(0, PAGE, false);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await Promise.all([underWay, zeroed, file.write(Buffer.from([1]), 10)]);
      const page = await bytesOf(file, 0, PAGE);
      page[10] = 0;
      expect(page.every((byte) => byte === 0)).toBe(true);
    }
    await file.close();
  });

  it('stays below its limit, changes nothing when it is reached, and goes on after a TRIM', async () => {
    const file = await SparseFile.create(folder, 1024 ** 4 / 16, 10 * PAGE);
    await file.write(Buffer.alloc(8 * PAGE, 1), 50 * 1024 ** 3);
    await expect(file.write(Buffer.alloc(3 * PAGE, 2), 0)).rejects.toThrow(
      expect.objectContaining({ code: 'ENOSPC' }),
    );
    expect([file.storedBytes, file.isHole(0, 3 * PAGE)]).toEqual([8 * PAGE, true]);
    // What has a place can be written again.
    await file.write(Buffer.alloc(8 * PAGE, 3), 50 * 1024 ** 3);
    await file.trim(50 * 1024 ** 3 + PAGE, PAGE);
    await file.write(Buffer.alloc(3 * PAGE, 2), 0);
    expect(await bytesOf(file, 50 * 1024 ** 3, 1)).toEqual(Buffer.from([3]));
    expect(file.fileBytes).toBe(10 * PAGE);
    await file.close();
  });

  it('answers with an error after its end, whatever was under way', async () => {
    const file = await SparseFile.create(folder, MIB);
    const under = [file.write(Buffer.alloc(MIB, 1), 0), file.flush(), file.zero(5, 9000, false)];
    const closed = file.close();
    await Promise.allSettled(under);
    await closed;
    await file.close();
    const late = [
      () => file.read(Buffer.alloc(1), 0),
      () => file.write(Buffer.alloc(1), 0),
      () => file.flush(),
    ];
    for (const call of late) await expect(call()).rejects.toThrow(expect.objectContaining({ code: 'EIO' }));
  });
});

describe('swap exports', () => {
  it('give each client one file that outlives connections and is thrown away on demand', async () => {
    const swap = new SwapExports(folder, 16 * PAGE);
    const [mine] = swap.of('192.168.152.2');
    const [other] = swap.of('192.168.152.3');
    if (!mine || !other) throw new Error('no export');
    const [first, second] = await Promise.all([mine.open(), mine.open()]);
    expect(first).toBe(second);
    await first.write(Buffer.alloc(2 * PAGE, 1), 0);
    await mine.release(first);
    expect((await other.open()).storedBytes).toBe(0);
    const none = { client: '192.168.152.3', storedBytes: 0, fileBytes: 0 };
    const some = { client: '192.168.152.2', storedBytes: 2 * PAGE, fileBytes: 2 * PAGE };
    expect(swap.usage()).toEqual([some, none]);
    await swap.discard('192.168.152.2');
    expect(swap.usage()).toEqual([none]);
    expect((await mine.open()).storedBytes).toBe(0);
    await swap.close();
    expect(swap.usage()).toEqual([]);
  });

  it('try again when the file could not be made', async () => {
    const missing = join(folder, 'missing');
    const [mine] = new SwapExports(missing).of('192.168.152.2');
    await expect(mine?.open()).rejects.toThrow('ENOENT');
    await expect(mine?.open()).rejects.toThrow('ENOENT');
  });
});
