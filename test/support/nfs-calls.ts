import { expect } from 'vitest';
import { HandleResolver } from '../../backend/protocols/nfs/handle.ts';
import { nfsAcl } from '../../backend/protocols/nfs/nfs3-acl.ts';
import { nfs3 } from '../../backend/protocols/nfs/nfs3.ts';
import { answer, RpcCall } from '../../backend/protocols/nfs/rpc.ts';
import { ReplyBuffer, XdrWriter } from '../../backend/protocols/nfs/xdr.ts';
import { accepted, nfs, xdr, type Credential, type Reply, type Xdr } from './rpc-client.ts';
import { exportTo, handleOf, smallTree } from './nfs-tree.ts';

export const CLIENT = '192.168.152.10';
export const tree = smallTree();

export function newCall(client = CLIENT, served = tree): RpcCall {
  return new RpcCall(client, 'tcp', new HandleResolver(client, exportTo(CLIENT, served)), 1024 * 1024);
}

/** The reply to one message, or undefined when there is none. */
export function replyTo(message: Buffer, call = newCall()): Buffer | undefined {
  const out = new XdrWriter(new ReplyBuffer(1024 * 1024 + 4096));
  out.bytes.fill(0xee);
  const answered = answer(call, [nfs3, nfsAcl], out, message, 0, message.length);
  while (call.streamed?.writePiece(out) === 'more');
  return answered ? Buffer.from(out.bytes.subarray(0, out.position)) : undefined;
}

/** nfsstat3 and what follows it. */
export function run(
  procedure: number,
  args: Xdr,
  credential?: Credential,
): { status: number; results: Reply } {
  const message = nfs(procedure, args.bytes(), credential);
  const { status, results } = accepted(message, replyTo(message) ?? Buffer.alloc(0));
  expect(status).toBe(0);
  return { status: results.u32(), results };
}
export const at = (inode: number): Xdr => xdr().opaque(handleOf(tree, inode));

export const fattr = (inode: number): string =>
  Buffer.from(tree.attributes.subarray((inode - 1) * 84, inode * 84)).toString('hex');
export const takeHex = (results: Reply, length: number): string => {
  results.skip(length);
  return results.bytes.subarray(results.at - length, results.at).toString('hex');
};
/** Checks a post_op_attr. */
export function expectAttributes(results: Reply, inode: number): void {
  expect(results.u32()).toBe(1);
  expect(takeHex(results, 84)).toBe(fattr(inode));
}
