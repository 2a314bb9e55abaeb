import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NfsExports } from '../../backend/protocols/nfs/handle.ts';
import type { NfsShare } from '../../backend/protocols/nfs/share/share.ts';
import { mount, nfs, RpcTcpClient, xdr, type Credential, type Reply, type Xdr } from './rpc-client.ts';

/** `client` may mount `/persist`; nobody else anything. */
export function shareTo(client: string, share: NfsShare): NfsExports {
  return {
    mount: (from, path) => (from === client && path === '/persist' ? { share } : { refused: 'not exported' }),
    tree: () => undefined,
    share: (from, id) => (from === client && id === share.id ? share : undefined),
  };
}

/** Starts persist-server.ts; resolves when it serves. */
export async function startPersistServer(folder: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'persist-server.ts');
  const server = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [first] = await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
  if (!String(first).includes('ready')) throw new Error('the server did not start');
  return server;
}

export const Nfs = {
  setattr: 2,
  lookup: 3,
  access: 4,
  readlink: 5,
  read: 6,
  write: 7,
  create: 8,
  mkdir: 9,
  symlink: 10,
  mknod: 11,
  remove: 12,
  rmdir: 13,
  rename: 14,
  link: 15,
  readdir: 16,
  readdirplus: 17,
  fsstat: 18,
  fsinfo: 19,
  pathconf: 20,
  commit: 21,
} as const;

/** sattr3 in which `set` is set. */
export function attributes(set: { mode?: number; uid?: number; gid?: number; size?: bigint } = {}): Xdr {
  const asked = xdr();
  for (const word of [set.mode, set.uid, set.gid]) {
    if (word === undefined) asked.u32(0);
    else asked.u32(1, word);
  }
  if (set.size === undefined) asked.u32(0);
  else asked.u32(1).u64(set.size);
  return asked.u32(0, 0);
}

export interface SeenAttributes {
  type: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: bigint;
  fileid: bigint;
  mtime: bigint;
  ctime: bigint;
}

export function readAttributes(reply: Reply): SeenAttributes {
  const [type = 0, mode = 0, nlink = 0, uid = 0, gid = 0] = [1, 2, 3, 4, 5].map(() => reply.u32());
  const size = reply.u64();
  reply.skip(8 + 8 + 8);
  const fileid = reply.u64();
  reply.skip(8);
  return { type, mode, nlink, uid, gid, size, fileid, mtime: reply.u64(), ctime: reply.u64() };
}

/** One client of a share; asks again on a new connection, as kernels do, while the server is away. */
export class PersistClient {
  #connection: RpcTcpClient | undefined;
  readonly #address: string;
  readonly credential: Credential | undefined;

  readonly #server: string;

  constructor(address = '127.0.0.1', credential?: Credential, server = '127.0.0.1') {
    this.#address = address;
    this.#server = server;
    this.credential = credential;
  }

  async mount(): Promise<Buffer> {
    const { results } = await this.send(mount(1, xdr().opaque('/persist').bytes()));
    if (results.u32() !== 0) throw new Error('not mounted');
    return results.opaque();
  }

  /** Status and what follows it. */
  async ask(procedure: number, args: Xdr): Promise<{ status: number; results: Reply }> {
    const { status, results } = await this.send(this.call(procedure, args));
    if (status !== 0) throw new Error(`accept_stat ${status}`);
    return { status: results.u32(), results };
  }
  call(procedure: number, args: Xdr): Buffer {
    return nfs(procedure, args.bytes(), this.credential);
  }

  /** The same bytes, with the same xid, until there is an answer. */
  async send(call: Buffer): Promise<{ status: number; results: Reply }> {
    for (;;) {
      try {
        this.#connection ??= await RpcTcpClient.open(2049, this.#address, undefined, this.#server);
        return await this.#connection.ask(call);
      } catch {
        this.#connection?.close();
        this.#connection = undefined;
        await delay(20);
      }
    }
  }

  /** Status of CREATE UNCHECKED (or `how`), and the handle when that is OK. */
  async create(
    directory: Buffer,
    name: string | Buffer,
    how?: Xdr,
  ): Promise<{ status: number; handle: Buffer }> {
    const what = how ?? xdr().u32(0);
    const args = xdr().opaque(directory).opaque(name).append(what);
    return await this.#made(Nfs.create, how ? args : args.append(attributes({ mode: 0o644 })));
  }
  async mkdir(directory: Buffer, name: string): Promise<{ status: number; handle: Buffer }> {
    return await this.#made(
      Nfs.mkdir,
      xdr()
        .opaque(directory)
        .opaque(name)
        .append(attributes({ mode: 0o755 })),
    );
  }
  async lookup(directory: Buffer, name: string | Buffer): Promise<{ status: number; handle: Buffer }> {
    const { status, results } = await this.ask(Nfs.lookup, xdr().opaque(directory).opaque(name));
    return { status, handle: status === 0 ? results.opaque() : Buffer.alloc(0) };
  }
  async attributes(handle: Buffer): Promise<SeenAttributes> {
    const { status, results } = await this.ask(1, xdr().opaque(handle));
    if (status !== 0) throw new Error(`GETATTR: ${status}`);
    return readAttributes(results);
  }
  /** Status, and the write verifier when that is OK. `stable`: 0 UNSTABLE, 1 DATA_SYNC, 2 FILE_SYNC */
  async write(
    handle: Buffer,
    offset: bigint,
    data: Buffer,
    stable = 2,
  ): Promise<{ status: number; verifier?: bigint }> {
    const args = xdr().opaque(handle).u64(offset).u32(data.length, stable).opaque(data);
    const { status, results } = await this.ask(Nfs.write, args);
    if (status !== 0) return { status };
    results.skip(28 + 88 + 8);
    return { status, verifier: results.u64() };
  }
  async read(handle: Buffer, offset: bigint, count: number): Promise<Buffer> {
    const { status, results } = await this.ask(Nfs.read, xdr().opaque(handle).u64(offset).u32(count));
    if (status !== 0) throw new Error(`READ: ${status}`);
    return results.skip(88 + 8).opaque();
  }
  /** Status of a procedure whose arguments are a directory and a name. */
  async named(procedure: number, directory: Buffer, name: string | Buffer): Promise<number> {
    return (await this.ask(procedure, xdr().opaque(directory).opaque(name))).status;
  }
  async rename(from: Buffer, name: string, to: Buffer, newName: string): Promise<number> {
    return (await this.ask(Nfs.rename, xdr().opaque(from).opaque(name).opaque(to).opaque(newName))).status;
  }

  /** Names and cookies after `cookie`, in one reply of at most `bytes`. */
  async page(
    directory: Buffer,
    cookie: bigint,
    bytes = 4096,
  ): Promise<{ entries: [name: string, cookie: bigint][]; end: boolean }> {
    const { status, results } = await this.ask(
      Nfs.readdir,
      xdr().opaque(directory).u64(cookie).u64(0n).u32(bytes),
    );
    if (status !== 0) throw new Error(`READDIR: ${status}`);
    results.skip(88 + 8);
    const entries: [string, bigint][] = [];
    while (results.u32() === 1) {
      results.u64();
      const name = results.opaque().toString('latin1');
      entries.push([name, results.u64()]);
    }
    return { entries, end: results.u32() === 1 };
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #made(procedure: number, args: Xdr): Promise<{ status: number; handle: Buffer }> {
    const { status, results } = await this.ask(procedure, args);
    if (status !== 0) return { status, handle: Buffer.alloc(0) };
    results.u32();
    return { status, handle: results.opaque() };
  }
}
