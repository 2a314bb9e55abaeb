import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { BufferPool, LARGEST_REPLY, SMALL_REPLIES } from '../../backend/protocols/nfs/buffer-pool.ts';
import { HandleResolver } from '../../backend/protocols/nfs/handle.ts';
import { Mount } from '../../backend/protocols/nfs/mount.ts';
import { Portmap } from '../../backend/protocols/nfs/portmap.ts';
import { RecordReader } from '../../backend/protocols/nfs/record-reader.ts';
import { ReplyBatch } from '../../backend/protocols/nfs/reply-batch.ts';
import { answer, RpcCall, type RpcProgram } from '../../backend/protocols/nfs/rpc.ts';
import { ReplyBuffer, XdrReader, XdrWriter } from '../../backend/protocols/nfs/xdr.ts';
import { accepted, mount, portmap, record, xdr, type Reply } from '../support/rpc-client.ts';
import { exportTo, handleOf, smallTree } from '../support/nfs-tree.ts';

const CLIENT = '192.168.152.10';

describe('XdrReader', () => {
  it('reads past the end as bad zeros and never beyond', () => {
    const reader = new XdrReader();
    reader.reset(Buffer.from('0000000501020304aabbccdd', 'hex'), 0, 8);
    expect(reader.opaque(100)).toBe(0);
    expect([reader.bad, reader.u32(), reader.position]).toEqual([true, 0, 8]);
    reader.reset(Buffer.from('ffffffff01020304', 'hex'), 0, 8);
    expect([reader.opaque(0xffff_ffff), reader.bad]).toEqual([0, true]);
    reader.reset(Buffer.from('0000000301020300', 'hex'), 0, 8);
    expect([reader.opaque(2), reader.bad]).toEqual([0, true]);
    reader.reset(Buffer.from('0000000301020300', 'hex'), 0, 8);
    expect([reader.opaque(3), reader.opaqueStart, reader.opaqueEnd, reader.bad]).toEqual([3, 4, 7, false]);
    reader.reset(Buffer.alloc(8), 0, 8);
    reader.skip(0xffff_ffff * 4);
    expect(reader.bad).toBe(true);
  });
});

describe('RecordReader', () => {
  const fragment = (bytes: Buffer, last: boolean): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(((last ? 0x8000_0000 : 0) | bytes.length) >>> 0);
    return Buffer.concat([head, bytes]);
  };
  const split = (stream: Buffer, step: number): { found: string[]; bad: boolean } => {
    const reader = new RecordReader();
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += step) {
      reader.feed(stream.subarray(at, at + step));
      while (reader.next())
        found.push(Buffer.from(reader.bytes.subarray(reader.start, reader.end)).toString());
    }
    return { found, bad: reader.bad };
  };
  const stream = Buffer.concat([
    record(Buffer.from('first')),
    fragment(Buffer.from('se'), false),
    fragment(Buffer.alloc(0), false),
    fragment(Buffer.from('con'), false),
    fragment(Buffer.from('d'), true),
    record(Buffer.from('third')),
    fragment(Buffer.alloc(0), false),
    fragment(Buffer.from('fourth'), true),
    record(Buffer.alloc(0)),
    record(Buffer.from('x'.repeat(300))),
  ]);
  const expected = ['first', 'second', 'third', 'fourth', '', 'x'.repeat(300)];

  it('finds the same records in pieces of any size', () => {
    for (let step = 1; step < stream.length + 1; step++) {
      expect(split(stream, step)).toEqual({ found: expected, bad: false });
    }
  });
  it('keeps the beginning of a long record and passes over the rest', () => {
    const long = Buffer.concat([record(Buffer.alloc(1024 * 1024, 'w')), record(Buffer.from('after'))]);
    expect(split(long, 1000).found).toEqual(['w'.repeat(16 * 1024), 'after']);
  });
  it('gives up on records that cannot be', () => {
    expect(split(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 5)).toEqual({ found: [], bad: true });
    expect(split(Buffer.from('ffffffff0000', 'hex'), 6)).toEqual({ found: [], bad: true });
    const growing = Buffer.concat(
      Array.from({ length: 6 }, () => fragment(Buffer.alloc(1024 * 1024), false)),
    );
    expect(split(growing, 65536)).toEqual({ found: [], bad: true });
  });
});

describe('ReplyBatch', () => {
  const filled = (sizes: number[]): Buffer[] => {
    const sent: Buffer[] = [];
    const pool = new BufferPool();
    const batch = new ReplyBatch(pool, (buffer, length) => {
      sent.push(Buffer.from(buffer.bytes.subarray(0, length)));
      pool.give(buffer);
    });
    for (const [index, size] of sizes.entries()) {
      batch.beginRecord();
      batch.u32(index);
      batch.reserve(size + 8);
      batch.opaque(Buffer.alloc(size, index + 1));
      batch.endRecord();
    }
    batch.flush();
    return sent;
  };
  it('puts small replies in one write and large ones in whole records', () => {
    expect(filled([100, 200, 300]).length).toBe(1);
    const sizes = [100, 100_000, 5, 1024 * 1024, 3, 60_000, 60_000, 60_000, 1024 * 1024, 1024 * 1024];
    const sent = filled(sizes);
    const stream = Buffer.concat(sent);
    const reader = new RecordReader();
    reader.feed(stream);
    for (const [index, size] of sizes.entries()) {
      expect(stream.length).toBeGreaterThan(0);
      const length = stream.readUInt32BE(offsetOf(sizes, index)) & 0x7fff_ffff;
      expect(length).toBe(8 + size + (-size & 3));
    }
    // no write ends within a record
    for (const part of sent) expect(endsWithRecord(part)).toBe(true);
  });
  it('has no buffer for what fits none', () => {
    expect(() => new BufferPool().take(LARGEST_REPLY + 1)).toThrow(RangeError);
  });
  it('is scarce when much is in use', () => {
    const pool = new BufferPool();
    const taken = Array.from({ length: 40 }, () => pool.take(LARGEST_REPLY));
    expect(pool.scarce).toBe(true);
    taken.forEach((buffer, index) => (index % 2 === 0 ? pool.give(buffer) : pool.forget(buffer)));
    expect(pool.scarce).toBe(false);
    expect(pool.take(1).bytes.length).toBe(SMALL_REPLIES);
  });
});
function offsetOf(sizes: number[], index: number): number {
  return sizes.slice(0, index).reduce((sum, size) => sum + 12 + size + (-size & 3), 0);
}
function endsWithRecord(part: Buffer): boolean {
  let at = 0;
  while (at < part.length) at += 4 + (part.readUInt32BE(at) & 0x7fff_ffff);
  return at === part.length;
}

function ask(program: RpcProgram, message: Buffer): { status: number; results: Reply } {
  const exports = exportTo(CLIENT, smallTree());
  const call = new RpcCall(CLIENT, 'udp', new HandleResolver(CLIENT, exports), 32 * 1024);
  const out = new XdrWriter(new ReplyBuffer(SMALL_REPLIES));
  expect(answer(call, [program], out, message, 0, message.length)).toBe(true);
  return accepted(message, Buffer.from(out.bytes.subarray(0, out.position)));
}

describe('portmapper', () => {
  const program = new Portmap(111, [
    { program: 100005, version: 3, port: 20048 },
    { program: 100003, version: 3, port: 2049 },
  ]);
  const port = (number: number, version: number, protocol: number): number =>
    ask(program, portmap(3, xdr().u32(number, version, protocol, 0).bytes())).results.u32();

  it('gives ports of what there is on TCP and UDP', () => {
    expect([port(100003, 3, 6), port(100003, 3, 17)]).toEqual([2049, 2049]);
    expect([port(100005, 3, 6), port(100000, 2, 17)]).toEqual([20048, 111]);
    expect([port(100003, 4, 6), port(100021, 4, 6), port(100003, 3, 5)]).toEqual([2049, 0, 0]);
  });
  it('lists all of it', () => {
    const { results } = ask(program, portmap(4));
    const rows: number[][] = [];
    while (results.u32() === 1) rows.push([results.u32(), results.u32(), results.u32(), results.u32()]);
    expect(rows).toEqual([
      [100000, 2, 6, 111],
      [100000, 2, 17, 111],
      [100005, 3, 6, 20048],
      [100005, 3, 17, 20048],
      [100003, 3, 6, 2049],
      [100003, 3, 17, 2049],
    ]);
  });
  it('lets nobody register, sends nothing for others, and knows version 2 only', () => {
    const mapping = xdr().u32(100003, 3, 6, 666).bytes();
    expect(ask(program, portmap(1, mapping)).results.u32()).toBe(0);
    expect(ask(program, portmap(2, mapping)).results.u32()).toBe(0);
    expect(port(100003, 3, 6)).toBe(2049);
    expect(ask(program, portmap(5, mapping)).status).toBe(3);
    for (const version of [3, 4]) {
      const { status, results } = ask(program, portmap(3, mapping, version));
      expect([status, results.u32(), results.u32()]).toEqual([2, 2, 2]);
    }
    expect(ask(program, portmap(3, mapping.subarray(4))).status).toBe(4);
  });
});

describe('MOUNT', () => {
  const events: EventBody[] = [];
  const tree = smallTree();
  const program = new Mount(exportTo(CLIENT, tree), (event) => events.push(event));
  const dump = (): string[] => {
    const { results } = ask(program, mount(2));
    const rows: string[] = [];
    while (results.u32() === 1) rows.push(`${results.opaque().toString()}:${results.opaque().toString()}`);
    return rows;
  };
  it('gives the root of a tree, and the reason for none', () => {
    const { results } = ask(program, mount(1, xdr().opaque('/export').bytes()));
    expect(results.u32()).toBe(0);
    expect(results.opaque()).toEqual(handleOf(tree, 1));
    expect([results.u32(), results.u32(), results.left]).toEqual([1, 1, 0]);
    expect(ask(program, mount(1, xdr().opaque('/other').bytes())).results.u32()).toBe(13);
    expect(ask(program, mount(1, xdr().opaque('/'.repeat(1025)).bytes())).results.u32()).toBe(63);
    expect(events).toMatchObject([
      { kind: 'mount', client: CLIENT, path: '/export', ok: true },
      { kind: 'mount', client: CLIENT, path: '/other', ok: false, cause: '/other is not exported' },
      { kind: 'mount', client: CLIENT, ok: false, cause: 'path too long' },
    ]);
  });
  it('gives directories inside an export, and follows nothing out of it', () => {
    const inode = (path: string): number => {
      const { results } = ask(program, mount(1, xdr().opaque(path).bytes()));
      const status = results.u32();
      return status === 0 ? results.opaque().readUInt32BE(12) : -status;
    };
    expect(['/export/', '/export/etc', '/export//etc/.', '/export/etc/..'].map(inode)).toEqual([1, 2, 2, 1]);
    expect(inode('/export/../../etc')).toBe(2);
    const outside = [
      '/export/etc/passwd',
      '/export/nothing',
      '/export/link',
      '/exportx',
      '/',
      '',
      '/export/..x',
    ];
    expect(outside.map(inode)).toEqual(outside.map(() => -13));
    expect(inode(`/export${'/'.repeat(500)}`)).toBe(1);
    expect(ask(program, mount(4)).status).toBe(0);
    ask(program, mount(1, xdr().opaque('/export').bytes()));
  });
  it('remembers mounts until they end', () => {
    expect(dump()).toEqual([`${CLIENT}:/export`]);
    expect(ask(program, mount(3, xdr().opaque('/export').bytes())).status).toBe(0);
    expect(dump()).toEqual([]);
    ask(program, mount(1, xdr().opaque('/export').bytes()));
    expect(ask(program, mount(4)).status).toBe(0);
    expect(dump()).toEqual([]);
  });
  it('lists exports', () => {
    const { results } = ask(program, mount(5));
    expect([results.u32(), results.opaque().toString(), results.u32(), results.u32(), results.left]).toEqual([
      1,
      '/export',
      0,
      0,
      0,
    ]);
  });
});
