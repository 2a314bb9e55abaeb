import { describe, expect, it } from 'vitest';
import { accepted, nfs, rpcCall, xdr, type Credential, type Reply, type Xdr } from '../support/rpc-client.ts';
import { BAD_UTF8, handleOf, Inode, smallTree } from '../support/nfs-tree.ts';
import { CLIENT, tree, newCall, replyTo, run, at, expectAttributes } from '../support/nfs-calls.ts';

describe('golden: what libnfs sent and what it accepted', () => {
  const golden = (request: string, reply: string): void => {
    const served = smallTree(0x1234567890abcdefn);
    expect(replyTo(Buffer.from(request, 'hex'), newCall(CLIENT, served))?.toString('hex')).toBe(reply);
  };
  const head = '000000010000001c003af245000000066c69626e667300000000000000000000000000000000000000000000';
  const root = '00000014425946481234567890abcdef00000001811c9dc5';
  const accept = '0000000100000000000000000000000000000000';
  const rootAttributes = `00000002000001ed0000000100000000000000000000000000001000000000000000100000000000000000001234567890abcdef00000000000000016553f100000000006553f100000000006553f10000000000`;

  it('NULL', () => {
    golden(`35a7f2480000000000000002000186a30000000300000000${head}`, `35a7f248${accept}`);
  });
  it('FSINFO', () => {
    golden(
      `35a7f2490000000000000002000186a30000000300000013${head}${root}`,
      `35a7f249${accept}0000000000000001${rootAttributes}001000000010000000001000001000000010000000001000000100007fffffffffffffff00000000000000010000000b`,
    );
  });
  it('GETATTR', () => {
    golden(
      `35a7f24a0000000000000002000186a30000000300000001${head}${root}`,
      `35a7f24a${accept}00000000${rootAttributes}`,
    );
  });
});

describe('RPC', () => {
  it('has no answer for what is no call, and never throws on any prefix of one', () => {
    const whole = nfs(6, at(Inode.passwd).u64(0n).u32(100).bytes());
    for (let length = 0; length < whole.length; length++) {
      const reply = replyTo(whole.subarray(0, length));
      if (reply) expect(accepted(whole, reply).status).toBe(4);
    }
    expect(replyTo(xdr().u32(1, 1, 0, 0, 0, 0).bytes())).toBeUndefined();
  });
  it('says which versions and programs there are', () => {
    const wrongVersion = rpcCall(100003, 4, 0);
    const mismatch = accepted(wrongVersion, replyTo(wrongVersion)!);
    expect([mismatch.status, mismatch.results.u32(), mismatch.results.u32()]).toEqual([2, 3, 3]);
    const lock = rpcCall(100021, 4, 0);
    expect(accepted(lock, replyTo(lock)!)).toMatchObject({ status: 1, results: { left: 0 } });
    const procedure = nfs(22);
    expect(accepted(procedure, replyTo(procedure)!).status).toBe(3);
  });
  it('tells the mode as ACL, which Linux asks for below an overlay', () => {
    const acl = (procedure: number, args: Xdr): Reply => {
      const message = rpcCall(100227, 3, procedure, args.bytes());
      const { status, results } = accepted(message, replyTo(message)!);
      expect(status).toBe(0);
      return results;
    };
    expect(acl(0, xdr()).left).toBe(0);
    const all = acl(1, at(Inode.passwd).u32(15));
    expect(all.u32()).toBe(0);
    expectAttributes(all, Inode.passwd);
    const words = Array.from({ length: all.left / 4 }, () => all.u32());
    expect(words).toEqual([15, 3, 3, 1, 5, 6, 4, 7, 4, 0x20, 0, 0, 0, 0]);
    const count = acl(1, at(Inode.passwd).u32(8));
    count.skip(4 + 88);
    expect([count.u32(), count.u32(), count.u32(), count.u32(), count.u32(), count.left]).toEqual([
      8, 0, 0, 0, 0, 0,
    ]);
    const none = rpcCall(100227, 3, 2);
    expect(accepted(none, replyTo(none)!).status).toBe(3);
  });
  it('denies other RPC versions and malformed or unknown credentials', () => {
    const old = nfs(0);
    old.writeUInt32BE(1, 8);
    expect(replyTo(old)?.subarray(4).toString('hex')).toBe('0000000100000001000000000000000200000002');
    const unknown = Buffer.concat([xdr().u32(9, 0, 2, 100003, 3, 0, 6, 0, 0, 0).bytes()]);
    expect(replyTo(unknown)?.toString('hex')).toBe('0000000900000001000000010000000100000001');
    const body = xdr().u32(1).opaque('name').u32(0, 0, 17).bytes();
    const lying = xdr().u32(9, 0, 2, 100003, 3, 0, 1).opaque(body).u32(0, 0).bytes();
    expect(replyTo(lying)?.toString('hex')).toBe('0000000900000001000000010000000100000001');
  });
  it('answers GARBAGE_ARGS when arguments are cut off', () => {
    for (let procedure = 1; procedure < 22; procedure++) {
      const message = nfs(procedure, at(Inode.root).bytes().subarray(0, 9));
      expect(accepted(message, replyTo(message)!)).toMatchObject({ status: 4, results: { left: 0 } });
    }
  });
  it('answers SYSTEM_ERR when the tree throws', () => {
    const broken = smallTree();
    broken.lookup = () => {
      throw new Error('broken');
    };
    const message = nfs(3, at(Inode.root).opaque('etc').bytes());
    expect(accepted(message, replyTo(message, newCall(CLIENT, broken))!)).toMatchObject({
      status: 5,
      results: { left: 0 },
    });
  });
});

describe('file handles', () => {
  const getattr = (handle: Uint8Array, client = CLIENT): number => {
    const message = nfs(1, xdr().opaque(handle).bytes());
    return accepted(message, replyTo(message, newCall(client))!).results.u32();
  };
  const good = handleOf(tree, Inode.etc);
  const changed = (offset: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy.writeUInt32BE(value >>> 0, offset);
    return copy;
  };
  it('BADHANDLE for what we never gave, STALE for what is not there', () => {
    expect(getattr(good)).toBe(0);
    expect(getattr(Buffer.alloc(0))).toBe(10001);
    expect(getattr(good.subarray(0, 16))).toBe(10001);
    expect(getattr(Buffer.concat([good, Buffer.alloc(44)]))).toBe(10001);
    expect(getattr(changed(0, 1))).toBe(10001);
    expect(getattr(changed(4, 1))).toBe(70);
    expect(getattr(changed(12, 0))).toBe(70);
    expect(getattr(changed(12, tree.count + 1))).toBe(70);
    expect(getattr(changed(12, 0xffff_ffff))).toBe(70);
    expect(getattr(changed(16, 1))).toBe(70);
  });
  it('open nothing for another client', () => {
    expect(getattr(good, '192.168.152.11')).toBe(70);
  });
  it('are garbage when longer than 64 bytes', () => {
    const message = nfs(1, xdr().opaque(Buffer.alloc(68)).bytes());
    expect(accepted(message, replyTo(message)!).status).toBe(4);
  });
});

describe('LOOKUP', () => {
  const lookup = (directory: number, name: string | Buffer): number => {
    const { status, results } = run(3, at(directory).opaque(name));
    if (status !== 0) return -status;
    const inode = results.opaque().readUInt32BE(12);
    expectAttributes(results, inode);
    expectAttributes(results, directory);
    expect(results.left).toBe(0);
    return inode;
  };
  it('finds names of bytes, `.` and `..`', () => {
    expect(lookup(Inode.root, 'etc')).toBe(Inode.etc);
    expect(lookup(Inode.root, BAD_UTF8)).toBe(Inode.bad);
    expect(lookup(Inode.etc, '.')).toBe(Inode.etc);
    expect(lookup(Inode.etc, '..')).toBe(Inode.root);
    expect(lookup(Inode.root, '..')).toBe(Inode.root);
    expect(lookup(Inode.root, 'hard')).toBe(Inode.passwd);
  });
  it('refuses the rest', () => {
    expect(lookup(Inode.root, 'nothing')).toBe(-2);
    expect(lookup(Inode.root, 'etc/passwd')).toBe(-2);
    expect(lookup(Inode.root, '...')).toBe(-2);
    expect(lookup(Inode.root, '')).toBe(-22);
    expect(lookup(Inode.passwd, '..')).toBe(-20);
    expect(lookup(Inode.link, 'x')).toBe(-20);
    expect(lookup(Inode.root, 'n'.repeat(256))).toBe(-63);
  });
});

describe('ACCESS', () => {
  const access = (inode: number, credential: Credential): number => {
    const { status, results } = run(4, at(inode).u32(0x3f), credential);
    expect(status).toBe(0);
    expectAttributes(results, inode);
    return results.u32();
  };
  it('judges by owner, group, further groups and others', () => {
    expect(access(Inode.passwd, { uid: 5, gid: 1 })).toBe(1);
    expect(access(Inode.passwd, { uid: 6, gid: 7 })).toBe(1);
    expect(access(Inode.passwd, { uid: 6, gid: 1, groups: [3, 7] })).toBe(1);
    expect(access(Inode.passwd, { uid: 6, gid: 1, groups: [3] })).toBe(0);
    expect(access(Inode.bad, { uid: 6, gid: 1 })).toBe(1 | 32);
    expect(access(Inode.many, { uid: 6, gid: 1 })).toBe(0);
    expect(access(Inode.etc, { uid: 6, gid: 1 })).toBe(1 | 2);
  });
  it('lets root read all and execute what anybody may, and nobody change anything', () => {
    expect(access(Inode.passwd, { uid: 0, gid: 0 })).toBe(1);
    expect(access(Inode.bad, { uid: 0, gid: 0 })).toBe(1 | 32);
    expect(access(Inode.many, { uid: 0, gid: 0 })).toBe(1 | 2);
  });
});

describe('READ', () => {
  const read = (
    inode: number,
    offset: bigint,
    count: number,
  ): { status: number; data: Buffer; eof: number } => {
    const { status, results } = run(6, at(inode).u64(offset).u32(count));
    expectAttributes(results, inode);
    if (status !== 0) return { status, data: Buffer.alloc(0), eof: -1 };
    const counted = results.u32();
    const eof = results.u32();
    const data = results.opaque();
    expect([data.length, results.left]).toEqual([counted, 0]);
    return { status, data, eof };
  };
  it('gives bytes and says where the file ends', () => {
    expect(read(Inode.passwd, 0n, 4)).toEqual({ status: 0, data: Buffer.from('root'), eof: 0 });
    expect(read(Inode.passwd, 5n, 100)).toEqual({ status: 0, data: Buffer.from('x:0:0\n'), eof: 1 });
    expect(read(Inode.passwd, 0n, 0)).toEqual({ status: 0, data: Buffer.alloc(0), eof: 0 });
    expect(read(Inode.passwd, 11n, 5)).toEqual({ status: 0, data: Buffer.alloc(0), eof: 1 });
    expect(read(Inode.passwd, 0xffff_ffff_ffff_ffffn, 5)).toEqual({
      status: 0,
      data: Buffer.alloc(0),
      eof: 1,
    });
  });
  it('reads beyond 4 GiB', () => {
    const size = 5n * 2n ** 32n + 17n;
    const expected = [size - 3n, size - 2n, size - 1n].map((place) => Number(place % 251n));
    expect(read(Inode.huge, size - 3n, 64)).toEqual({ status: 0, data: Buffer.from(expected), eof: 1 });
  });
  it('gives at most 1 MiB', () => {
    expect(read(Inode.huge, 0n, 0xffff_ffff).data.length).toBe(1024 * 1024);
  });
  it('refuses what is not a file', () => {
    expect(read(Inode.etc, 0n, 5).status).toBe(21);
    expect(read(Inode.link, 0n, 5).status).toBe(22);
    expect(read(Inode.null, 0n, 5).status).toBe(22);
  });
  it('answers IO when the disk fails', () => {
    tree.failing = true;
    expect(read(Inode.passwd, 0n, 5).status).toBe(5);
    tree.failing = false;
  });
});

describe('READLINK', () => {
  it('gives the target of a link only', () => {
    const { status, results } = run(5, at(Inode.link));
    expect(status).toBe(0);
    expectAttributes(results, Inode.link);
    expect(results.opaque().toString()).toBe('../etc/passwd');
    expect(run(5, at(Inode.passwd)).status).toBe(22);
  });
});

describe('what would change something', () => {
  const name = 'new';
  const wcc = (results: Reply, inode: number): void => {
    expect(results.u32()).toBe(0);
    expectAttributes(results, inode);
  };
  const one: [string, number, Xdr][] = [
    ['SETATTR', 2, at(Inode.root).u32(0, 0, 0, 0, 0, 0, 0)],
    ['WRITE', 7, at(Inode.root).u64(0n).u32(4, 2).opaque('data')],
    ['CREATE', 8, at(Inode.root).opaque(name).u32(0, 0, 0, 0, 0, 0, 0)],
    ['MKDIR', 9, at(Inode.root).opaque(name).u32(0, 0, 0, 0, 0, 0)],
    ['SYMLINK', 10, at(Inode.root).opaque(name).u32(0, 0, 0, 0, 0, 0).opaque('target')],
    ['MKNOD', 11, at(Inode.root).opaque(name).u32(7, 0, 0, 0, 0, 0, 0)],
    ['REMOVE', 12, at(Inode.root).opaque('link')],
    ['RMDIR', 13, at(Inode.root).opaque('many')],
    ['COMMIT', 21, at(Inode.root).u64(0n).u32(0)],
  ];
  it.each(one)('%s is refused with ROFS and wcc_data', (_name, procedure, args) => {
    const { status, results } = run(procedure, args);
    expect(status).toBe(30);
    wcc(results, Inode.root);
    expect(results.left).toBe(0);
  });
  it('RENAME with two wcc_data', () => {
    const { status, results } = run(
      14,
      at(Inode.root).opaque('a').opaque(handleOf(tree, Inode.etc)).opaque('b'),
    );
    expect(status).toBe(30);
    wcc(results, Inode.root);
    wcc(results, Inode.etc);
    expect(results.left).toBe(0);
  });
  it('LINK with attributes and wcc_data', () => {
    const { status, results } = run(15, at(Inode.passwd).opaque(handleOf(tree, Inode.etc)).opaque('b'));
    expect(status).toBe(30);
    expectAttributes(results, Inode.passwd);
    wcc(results, Inode.etc);
    expect(results.left).toBe(0);
  });
  it('a bad handle still says so', () => {
    const { status, results } = run(7, xdr().opaque(Buffer.alloc(20)).u64(0n).u32(0, 0).opaque(''));
    expect([status, results.u32(), results.u32(), results.left]).toEqual([10001, 0, 0, 0]);
    const stale = Buffer.from(handleOf(tree, Inode.etc));
    stale.writeUInt32BE(9, 16);
    expect(run(14, at(Inode.root).opaque('a').opaque(stale).opaque('b')).status).toBe(70);
  });
});

describe('FSSTAT and PATHCONF', () => {
  it('describe a full file system with names of 255 bytes', () => {
    const stat = run(18, at(Inode.root));
    expectAttributes(stat.results, Inode.root);
    expect(stat.results.u64()).toBeGreaterThan(5n * 2n ** 32n);
    expect([stat.results.u64(), stat.results.u64(), stat.results.u64()]).toEqual([
      0n,
      0n,
      BigInt(tree.count),
    ]);
    const path = run(20, at(Inode.root));
    expectAttributes(path.results, Inode.root);
    expect([0, 0, 0, 0, 0, 0].map(() => path.results.u32())).toEqual([0xffff_ffff, 255, 1, 1, 0, 1]);
  });
});
