import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ImageTree } from '../../backend/images/tree/tree.ts';
import { HandleResolver } from '../../backend/protocols/nfs/handle.ts';
import { nfs3 } from '../../backend/protocols/nfs/nfs3.ts';
import { answer, RpcCall, writeAccepted } from '../../backend/protocols/nfs/rpc.ts';
import { ReplyBuffer, XdrWriter } from '../../backend/protocols/nfs/xdr.ts';
import { accepted, nfs, xdr } from '../support/rpc-client.ts';
import { testFolder, treeOf } from './images/support.ts';

const CLIENT = '192.168.152.10';
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Neither this nor where its data lies fits 32 bits. */
const SIZE = 5 * GIB + 17;
const DATA = 5 * GIB - 4096;

/** READ; `way` is how the server got the bytes. */
async function read(
  tree: ImageTree,
  inode: number,
  offset: number,
  count: number,
): Promise<{ way: string; data: Buffer; eof: number }> {
  const exports = { mount: () => ({ tree }), tree: () => tree };
  const call = new RpcCall(CLIENT, 'tcp', new HandleResolver(CLIENT, exports), MIB);
  const handle = xdr().u32(0x42594648).u64(tree.id).u32(inode, tree.pathHash(inode)).bytes();
  const message = nfs(6, xdr().opaque(handle).u64(BigInt(offset)).u32(count).bytes());
  const out = new XdrWriter(new ReplyBuffer(MIB + 4096));
  answer(call, [nfs3], out, message, 0, message.length);
  if (call.deferred) {
    out.rewind(0);
    writeAccepted(out, call.xid, 0);
    await call.deferred.complete(out);
  }
  const promised = call.streamed && out.position + call.streamed.length;
  while (call.streamed?.writePiece(out) === 'more');
  expect(out.position).toBe(promised ?? out.position);
  const { results } = accepted(message, Buffer.from(out.bytes.subarray(0, out.position)));
  expect(results.u32()).toBe(0);
  results.skip(88 + 4);
  const eof = results.u32();
  return { way: call.deferred ? 'cold' : call.streamed ? 'pieces' : 'at once', data: results.opaque(), eof };
}

/** Lower layer: `big`, a sparse file with data at its end only. Upper layer: `plain`. */
function layers(): { tree: ImageTree; plain: Buffer; end: Buffer } {
  const home = testFolder();
  const end = randomBytes(SIZE - DATA);
  const plain = randomBytes(2 * MIB + 5);
  const big = join(home, 'big');
  writeFileSync(big, '');
  truncateSync(big, SIZE);
  const fd = openSync(big, 'r+');
  writeSync(fd, end, 0, end.length, DATA);
  closeSync(fd);
  writeFileSync(join(home, 'plain'), plain);
  const tars = ['big', 'plain'].map((name) => {
    const tar = join(home, `${name}.tar`);
    execFileSync('tar', ['--sparse', '-C', home, '-cf', tar, name]);
    return readFileSync(tar);
  });
  return { tree: treeOf(tars), plain, end };
}

test('a long read gives the same from the disk and, in pieces, from what is warm', async () => {
  const { tree, plain } = layers();
  const inode = tree.lookupPath('plain');
  for (const way of ['cold', 'pieces']) {
    expect(await read(tree, inode, 100, MIB)).toEqual({ way, data: plain.subarray(100, 100 + MIB), eof: 0 });
    const rest = { way, data: plain.subarray(MIB + 100), eof: 1 };
    expect(await read(tree, inode, MIB + 100, MIB)).toEqual(rest);
  }
  const short = { way: 'at once', data: plain.subarray(MIB, MIB + 10), eof: 0 };
  expect(await read(tree, inode, MIB, 10)).toEqual(short);
});

test('a sparse file of more than 4 GiB is read across hole, data and end', async () => {
  const { tree, end } = layers();
  const inode = tree.lookupPath('big');
  expect(tree.stat(inode).size).toBe(SIZE);
  const tail = Buffer.concat([Buffer.alloc(MIB - 5000), end]);
  for (const way of ['cold', 'pieces']) {
    const from = SIZE - tail.length;
    expect(await read(tree, inode, from, MIB)).toEqual({ way, data: tail, eof: 1 });
  }
  expect(await read(tree, inode, GIB, MIB)).toEqual({ way: 'pieces', data: Buffer.alloc(MIB), eof: 0 });
  expect(await read(tree, inode, SIZE, MIB)).toMatchObject({ way: 'at once', eof: 1 });
});
