import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LayerFile } from '../../backend/images/tree/layer-file.ts';
import { scanTarSync } from '../../backend/images/tar/tar-scan.ts';
import { ImageTree, mergeLayers, treeId } from '../../backend/images/tree/tree.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { Capture } from '../support/capture.ts';
import { nfs, mount, RpcTcpClient, xdr, type Reply } from '../support/rpc-client.ts';

const run = promisify(execFile);
/** A tool's output as latin1: names need not be UTF-8. */
async function output(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args, { encoding: 'latin1', maxBuffer: 1 << 28 })).stdout;
}

const EXPORT = '/var/lib/walt/nodes/52:54:00:00:00:01/fs';
const PORTS = 'nfsport=2049&mountport=2049';
const folder = mkdtempSync(join(tmpdir(), 'bootyard-nfs-'));
const root = join(folder, 'root');
let server: NfsServer;
let tree: ImageTree;

/** All that a root file system has: odd names, links, set-user-id, a sparse file above 4 GiB. Devices only as root. */
const MAKE_ROOT = String.raw`
set -e
mkdir -p root/etc root/usr/bin root/deep/a/b/c/d root/many root/private root/empty
cd root
printf 'root:x:0:0\n' > etc/passwd
seq 1 400000 > usr/bin/numbers
chmod 4755 usr/bin/numbers
ln usr/bin/numbers usr/bin/hard
ln -s ../etc/passwd usr/link
ln -s "$(printf 'x%.0s' $(seq 1 300))" long-link
printf bytes > "$(printf 'n\377\376me')"
printf spaces > 'a b (c), d'
for i in $(seq 1 700); do echo $i > many/file-$i-$(printf 'y%.0s' $(seq 1 $((i % 90 + 1)))); done
chmod 700 private
mkfifo pipe
truncate -s 5G huge
printf end | dd of=huge bs=1 seek=5000000000 conv=notrunc status=none
mknod null c 1 3 2>/dev/null || :
chown -h 12:34 etc/passwd 2>/dev/null || :
touch -d '2001-02-03 04:05:06' etc
cd ..
tar --sparse -cf root.tar -C root .
`;

beforeAll(async () => {
  await run('sh', ['-c', MAKE_ROOT], { cwd: folder });
  const layer = new LayerFile(join(folder, 'root.tar'));
  const id = treeId(['test']);
  tree = new ImageTree(id, mergeLayers([scanTarSync(layer.fd, layer.size)], id), [layer]);
  server = new NfsServer({
    address: '127.0.0.1',
    exports: {
      mount: (_client, path) => (path === EXPORT ? { tree } : { refused: 'not exported' }),
      tree: (_client, asked) => (asked === id ? tree : undefined),
      list: () => [EXPORT],
    },
    publish: () => {},
  });
  await server.start();
});
afterAll(async () => {
  await server.close();
  tree.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Paths of everything below the root, latin1. */
function walk(path = ''): string[] {
  const names = readdirSync(Buffer.from(join(root, path), 'latin1'), { encoding: 'latin1' });
  return names.flatMap((name) => {
    const below = path === '' ? name : `${path}/${name}`;
    return lstatSync(onDisk(below)).isDirectory() ? [below, ...walk(below)] : [below];
  });
}
const onDisk = (path: string): Buffer => Buffer.from(`${root}/${path}`, 'latin1');

describe('libnfs', () => {
  it.each([`nfs://127.0.0.1${EXPORT}`, `nfs://127.0.0.1${EXPORT}?${PORTS}`])(
    'sees the tar by %s',
    async (url) => {
      const [base = '', query] = url.split('?');
      const listed = (await output('nfs-ls', '-R', query ? `${base}/?${query}` : `${base}/`))
        .trimEnd()
        .split('\n');
      const seen = new Map<string, string>();
      for (const line of listed) {
        const [, mode = '', links, uid, gid, size, path = ''] =
          /^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) (.*)$/.exec(line) ?? [];
        seen.set(path, `${mode} ${links} ${uid} ${gid} ${mode.startsWith('d') ? '' : size}`);
      }
      const expected = new Map<string, string>();
      for (const path of walk()) {
        const stat = lstatSync(onDisk(path));
        const size = stat.isDirectory() ? '' : stat.size;
        const links = stat.isDirectory() ? seen.get(path)?.split(' ')[1] : stat.nlink;
        expected.set(path, `${modeText(stat.mode)} ${links} ${stat.uid} ${stat.gid} ${size}`);
      }
      expect([...seen].sort()).toEqual([...expected].sort());
    },
  );

  it('reads and copies files', async () => {
    for (const path of ['etc/passwd', 'usr/bin/numbers', 'a b (c), d']) {
      const expected = await output('sha256sum', join(root, path));
      const copy = join(folder, 'copy');
      await run('nfs-cp', [`nfs://127.0.0.1${EXPORT}/${path}`, copy]);
      expect((await output('sha256sum', copy)).slice(0, 64)).toBe(expected.slice(0, 64));
      rmSync(copy);
    }
    expect(await output('nfs-cat', `nfs://127.0.0.1${EXPORT}/etc/passwd`)).toBe('root:x:0:0\n');
  });

  it('may not mount anything else', async () => {
    await expect(output('nfs-ls', 'nfs://127.0.0.1/etc')).rejects.toThrow('MNT3ERR_ACCES');
  });
});

/** As nfs-ls writes it, which has no letter for a pipe. */
function modeText(mode: number): string {
  const type = new Map([
    [1, ''],
    [2, 'c'],
    [4, 'd'],
    [6, 'b'],
    [8, '-'],
    [10, 'l'],
    [12, 's'],
  ]).get((mode >> 12) & 15);
  const bits = [256, 128, 64, 32, 16, 8, 4, 2, 1].map((bit, at) =>
    (mode & bit) === 0 ? '-' : 'rwx'[at % 3],
  );
  return `${type ?? '?'}${bits.join('')}`;
}

describe('rpcinfo and showmount', () => {
  it('find the services', async () => {
    const rows = (await output('rpcinfo', '-p', '127.0.0.1')).trim().split('\n').slice(1);
    expect(rows.map((row) => row.trim().split(/ +/).slice(0, 4).join(' '))).toEqual([
      '100000 2 tcp 111',
      '100000 2 udp 111',
      '100005 3 tcp 2049',
      '100005 3 udp 2049',
      '100003 3 tcp 2049',
      '100003 3 udp 2049',
      '100227 3 tcp 2049',
      '100227 3 udp 2049',
    ]);
    expect(await output('rpcinfo', '127.0.0.1')).toContain('mountd');
    for (const flag of ['-t', '-u']) {
      for (const program of ['100003', '100005', '100227']) {
        expect(await output('rpcinfo', flag, '127.0.0.1', program, '3')).toContain('ready and waiting');
      }
    }
    await expect(output('rpcinfo', '-t', '127.0.0.1', '100021', '4')).rejects.toThrow('not registered');
    expect(await output('showmount', '-e', '127.0.0.1')).toContain(EXPORT);
    expect(await output('showmount', '-a', '127.0.0.1')).toContain(`127.0.0.1:${EXPORT}`);
  });
});

interface Attributes {
  type: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  rdev: string;
  fileid: number;
  mtimeNs: bigint;
}
function readAttributes(results: Reply): Attributes {
  const [type, mode, nlink, uid, gid] = [0, 0, 0, 0, 0].map(() => results.u32()) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const size = Number(results.u64());
  results.u64();
  const rdev = `${results.u32()}:${results.u32()}`;
  results.u64();
  const fileid = Number(results.u64());
  results.u64();
  const mtimeNs = BigInt(results.u32()) * 1_000_000_000n + BigInt(results.u32());
  results.u64();
  return { type, mode, nlink, uid, gid, size, rdev, fileid, mtimeNs };
}

/** Walks the whole export by READDIRPLUS in pages of 8 KiB: path → attributes and handle. */
async function walkExport(
  client: RpcTcpClient,
): Promise<Map<string, { attributes: Attributes; handle: Buffer }>> {
  const mounted = (await client.ask(mount(1, xdr().opaque(EXPORT).bytes()))).results;
  expect(mounted.u32()).toBe(0);
  const found = new Map<string, { attributes: Attributes; handle: Buffer }>();
  const directories = [{ path: '', handle: mounted.opaque() }];
  for (let next = directories.pop(); next; next = directories.pop()) {
    for (const entry of await listDirectory(client, next.handle)) {
      const path = next.path === '' ? entry.name : `${next.path}/${entry.name}`;
      found.set(path, entry);
      if (entry.attributes.type === 2) directories.push({ path, handle: entry.handle });
    }
  }
  return found;
}

type Entry = { name: string; attributes: Attributes; handle: Buffer };
async function listDirectory(client: RpcTcpClient, handle: Buffer): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cookie = 0n;
  let verifier = 0n;
  for (;;) {
    const call = nfs(17, xdr().opaque(handle).u64(cookie).u64(verifier).u32(8192, 8192).bytes());
    const { results } = await client.ask(call);
    expect(results.u32()).toBe(0);
    verifier = results.skip(88).u64();
    while (results.u32() === 1) {
      results.u64();
      const name = results.opaque().toString('latin1');
      cookie = results.u64();
      results.u32();
      const attributes = readAttributes(results);
      results.u32();
      const entry = { name, attributes, handle: Buffer.from(results.opaque()) };
      if (name !== '.' && name !== '..') entries.push(entry);
    }
    if (results.u32() === 1) return entries;
  }
}

async function digestOf(
  client: RpcTcpClient,
  handle: Buffer,
  from: number,
  end: number,
  step: number,
): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = from; offset < end;) {
    const count = Math.min(step, end - offset);
    const { results } = await client.ask(nfs(6, xdr().opaque(handle).u64(BigInt(offset)).u32(count).bytes()));
    expect(results.u32()).toBe(0);
    const data = results.skip(88 + 8).opaque();
    hash.update(data);
    offset += data.length;
  }
  return hash.digest('hex');
}
function digestOnDisk(path: string, from: number, end: number): string {
  const fd = openSync(onDisk(path), 'r');
  const content = Buffer.alloc(end - from);
  readSync(fd, content, 0, content.length, from);
  closeSync(fd);
  return createHash('sha256').update(content).digest('hex');
}

describe('the whole tree', () => {
  it('equals what tar packed: types, modes, owners, links, devices, sizes, times, content', async () => {
    const client = await RpcTcpClient.open(2049);
    const found = await walkExport(client);
    const paths = walk();
    expect([...found.keys()].sort()).toEqual(paths.sort());
    const inodes = new Map<number, number>();
    for (const path of paths) {
      const stat = lstatSync(onDisk(path), { bigint: true });
      const { attributes, handle } = found.get(path)!;
      expect({ path, mode: attributes.mode }).toEqual({ path, mode: Number(stat.mode & 0o7777n) });
      expect([attributes.uid, attributes.gid]).toEqual([Number(stat.uid), Number(stat.gid)]);
      expect(attributes.mtimeNs / 1_000_000_000n).toBe(stat.mtimeNs / 1_000_000_000n);
      if (!stat.isDirectory())
        expect([attributes.nlink, attributes.size]).toEqual([Number(stat.nlink), Number(stat.size)]);
      if (stat.isCharacterDevice()) expect(attributes.rdev).toBe(`${stat.rdev >> 8n}:${stat.rdev & 255n}`);
      if (stat.isSymbolicLink()) {
        const { results } = await client.ask(nfs(5, xdr().opaque(handle).bytes()));
        expect(results.skip(4 + 88).opaque()).toEqual(readlinkSync(onDisk(path), { encoding: 'buffer' }));
      }
      if (stat.isFile()) {
        // Names of one inode share a fileid, others do not.
        expect(inodes.get(attributes.fileid) ?? Number(stat.ino)).toBe(Number(stat.ino));
        inodes.set(attributes.fileid, Number(stat.ino));
        const size = Number(stat.size);
        const from = Math.max(0, size - 400_000_000);
        const end = Math.min(size, from + 20_000_000);
        const step = size > 1_000_000 ? 1024 * 1024 : 30_001;
        expect(await digestOf(client, handle, from, end, step)).toBe(digestOnDisk(path, from, end));
      }
    }
    const huge = found.get('huge')!;
    const { results } = await client.ask(
      nfs(6, xdr().opaque(huge.handle).u64(4_999_999_999n).u32(6).bytes()),
    );
    expect(results.skip(4 + 88 + 8).opaque()).toEqual(Buffer.from('\0end\0\0'));
    client.close();
  });
});

describe('tshark', () => {
  it('dissects every packet of a session with nothing malformed', async () => {
    const file = join(folder, 'session.pcap');
    const capture = await Capture.start({ file, interface: 'lo', marker: '127.0.0.1' });
    await output('nfs-ls', '-R', `nfs://127.0.0.1${EXPORT}/`);
    await output('nfs-cat', `nfs://127.0.0.1${EXPORT}/usr/bin/numbers`);
    await output('rpcinfo', '-p', '127.0.0.1');
    await output('showmount', '-e', '127.0.0.1');
    const client = await RpcTcpClient.open(2049);
    const handle = xdr()
      .opaque((await walkExport(client)).get('etc')!.handle)
      .bytes();
    for (let procedure = 1; procedure < 22; procedure++) {
      await client.ask(nfs(procedure, Buffer.concat([handle, Buffer.alloc(64)])));
    }
    client.close();
    await capture.stop();
    // A client takes any port below 1024, and tshark may know another protocol at that.
    const rules = ['tcp.port==2049,rpc', 'udp.port==2049,rpc', 'tcp.port==111,rpc', 'udp.port==111,rpc'];
    const count = (filter: string) => capture.count(filter, ...rules);
    expect(await count('_ws.malformed || _ws.unreassembled')).toBe(0);
    for (const filter of [
      'nfs.procedure_v3 == 6',
      'nfs.procedure_v3 == 17',
      'mount.procedure_v3 == 1',
      'portmap',
    ]) {
      expect(await count(filter)).toBeGreaterThan(0);
    }
    expect(await count('rpc.msgtyp == 1 && nfs.status3 == 30')).toBe(9);
  });
});
