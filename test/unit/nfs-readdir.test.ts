import { describe, expect, it } from 'vitest';
import { type Reply } from '../support/rpc-client.ts';
import { BAD_UTF8, handleOf, Inode, MANY, TREE_ID } from '../support/nfs-tree.ts';
import { tree, run, at, expectAttributes } from '../support/nfs-calls.ts';

interface Listed {
  fileid: number;
  name: string;
  cookie: bigint;
}
/** Reads a dirlist3 or dirlistplus3. */
function readEntries(results: Reply, plus: boolean): { listed: Listed[]; eof: boolean; dirBytes: number } {
  const listed: Listed[] = [];
  let dirBytes = 0;
  while (results.u32() === 1) {
    const began = results.at;
    const entry = {
      fileid: Number(results.u64()),
      name: results.opaque().toString('latin1'),
      cookie: results.u64(),
    };
    dirBytes += results.at - began;
    listed.push(entry);
    if (!plus) continue;
    expectAttributes(results, entry.fileid);
    expect(results.u32()).toBe(1);
    expect(results.opaque()).toEqual(handleOf(tree, entry.fileid));
  }
  const eof = results.u32() === 1;
  expect(results.left).toBe(0);
  return { listed, eof, dirBytes };
}

/** All pages of a directory. */
function listAll(
  inode: number,
  plus: boolean,
  dircount: number,
  maxcount: number,
): { names: string[]; pages: number } {
  const names: string[] = [];
  let cookie = 0n;
  let verifier = 0n;
  for (let pages = 1; ; pages++) {
    const args = at(inode).u64(cookie).u64(verifier);
    const { status, results } = plus ? run(17, args.u32(dircount, maxcount)) : run(16, args.u32(maxcount));
    expect(status).toBe(0);
    expect(results.left).toBeLessThanOrEqual(maxcount);
    expectAttributes(results, inode);
    verifier = results.u64();
    const { listed, eof, dirBytes } = readEntries(results, plus);
    if (plus && listed.length > 1) expect(dirBytes).toBeLessThanOrEqual(dircount);
    names.push(...listed.map(({ name }) => name));
    if (eof) return { names, pages };
    cookie = listed.at(-1)?.cookie ?? 0n;
  }
}

describe('READDIR and READDIRPLUS', () => {
  it('list everything once, at any page size', () => {
    const { names } = listAll(Inode.many, false, 0, 65536);
    const files = Array.from({ length: MANY }, (_, file) => `${'x'.repeat(file % 60)}${file}`);
    expect(names).toEqual(['.', '..', ...files]);
    for (const size of [208, 300, 1024, 4096, 8193, 1 << 20]) {
      expect(listAll(Inode.many, false, 0, size).names).toEqual(names);
    }
    for (const [dircount, maxcount] of [
      [1, 4096],
      [512, 32768],
      [8192, 8192],
      [65536, 400],
      [1 << 20, 1 << 20],
    ] as const) {
      expect(listAll(Inode.many, true, dircount, maxcount).names).toEqual(names);
    }
  });
  it('list an empty directory and the root', () => {
    const empty = listAll(Inode.etc, true, 4096, 4096);
    expect(empty).toEqual({ names: ['.', '..', 'passwd'], pages: 1 });
    expect(listAll(Inode.root, true, 4096, 4096).names).toContain(BAD_UTF8.toString('latin1'));
  });
  it('say TOOSMALL when not one entry fits', () => {
    for (const size of [0, 4, 103, 120]) {
      expect(run(16, at(Inode.many).u64(0n).u64(0n).u32(size)).status).toBe(10005);
      expect(run(17, at(Inode.many).u64(0n).u64(0n).u32(4096, size)).status).toBe(10005);
    }
  });
  it('refuse cookies that they did not give, and what is no directory', () => {
    expect(run(16, at(Inode.many).u64(5n).u64(1n).u32(4096)).status).toBe(10003);
    expect(
      run(
        16,
        at(Inode.many)
          .u64(BigInt(MANY + 3))
          .u64(TREE_ID)
          .u32(4096),
      ).status,
    ).toBe(10003);
    expect(
      run(
        16,
        at(Inode.many)
          .u64(2n ** 63n)
          .u64(TREE_ID)
          .u32(4096),
      ).status,
    ).toBe(10003);
    expect(run(16, at(Inode.passwd).u64(0n).u64(0n).u32(4096)).status).toBe(20);
  });
  it('answer the cookie behind the last entry with an empty list', () => {
    const { status, results } = run(
      16,
      at(Inode.many)
        .u64(BigInt(MANY + 2))
        .u64(TREE_ID)
        .u32(4096),
    );
    expect(status).toBe(0);
    results.skip(88 + 8);
    expect(readEntries(results, false)).toMatchObject({ listed: [], eof: true });
  });
});
