import { messageOf } from '../../errors.ts';
import type { Publish } from '../../events/bus.ts';
import { EventShares } from '../event-shares.ts';
import type { NfsExports } from './handle.ts';
import { findMountPoint } from './mount-path.ts';
import { MountTable } from './mount-table.ts';
import { Accept, PLAIN_REPLY, type AcceptStatus, type DeferredReply } from './rpc.ts';
import type { RpcCall, RpcProgram } from './rpc.ts';
import type { NfsShare } from './share/share.ts';
import type { XdrWriter } from './xdr.ts';

export const MOUNT_PROGRAM = 100005;
export const MOUNT_VERSION = 3;

const OK = 0;
const ACCESS_DENIED = 13;
const NAME_TOO_LONG = 63;
const SERVER_FAULT = 10006;
const AUTH_SYS = 1;
/** MNTPATHLEN (RFC 1813 §5.1.1) */
const LONGEST_PATH = 1024;
/** A path of more bytes than this is no argument, but garbage. */
const LONGEST_ARGUMENT = 8192;

/** MOUNT version 3 (RFC 1813 appendix I): gives out the handle of a tree's root or of a directory in it. */
export class Mount implements RpcProgram {
  readonly number = MOUNT_PROGRAM;
  readonly lowVersion = MOUNT_VERSION;
  readonly highVersion = MOUNT_VERSION;
  readonly #exports: NfsExports;
  readonly #publish: Publish;
  readonly #table = new MountTable();
  readonly #shares = new EventShares();

  constructor(exports: NfsExports, publish: Publish) {
    this.#exports = exports;
    this.#publish = publish;
  }

  /** Forgets what `client` has mounted: it is off. */
  dropClient(client: string): void {
    this.#table.removeClient(client);
  }

  run(call: RpcCall, out: XdrWriter): AcceptStatus {
    switch (call.procedure) {
      case 0:
        return Accept.success;
      case 1:
        return this.#mount(call, out);
      case 2:
        return this.#dump(call, out);
      case 3:
        return this.#unmount(call);
      case 4:
        this.#table.removeClient(call.client);
        return Accept.success;
      case 5:
        return this.#export(call, out);
      default:
        return Accept.procedureUnavailable;
    }
  }

  #mount(call: RpcCall, out: XdrWriter): AcceptStatus {
    const length = call.args.opaque(LONGEST_ARGUMENT);
    if (call.args.bad) return Accept.garbageArguments;
    const path = call.args.text();
    if (length > LONGEST_PATH)
      return this.#refuse(call, out, NAME_TOO_LONG, path.slice(0, 80), 'path too long');
    if (/\p{Cc}/u.test(path)) {
      return this.#refuse(
        call,
        out,
        ACCESS_DENIED,
        path.replace(/\p{Cc}/gu, '?'),
        'path with control characters',
      );
    }
    const found = findMountPoint(this.#exports, call.client, path);
    if ('refused' in found) return this.#refuse(call, out, ACCESS_DENIED, path, found.refused);
    if ('share' in found) {
      call.deferred = new ShareMount(found.share, (cause) => this.#note(call.client, path, cause));
      return Accept.success;
    }
    this.#note(call.client, path);
    out.u32(OK);
    found.served.writeHandle(out, found.inode);
    writeFlavours(out);
    return Accept.success;
  }

  #note(client: string, path: string, cause?: string): void {
    if (cause === undefined) this.#table.add(client, path);
    this.#tell(client, path, cause);
  }

  #refuse(call: RpcCall, out: XdrWriter, status: number, path: string, cause: string): AcceptStatus {
    this.#tell(call.client, path, cause);
    out.u32(status);
    return Accept.success;
  }

  /** A flood of requests must not become a flood of events: what was withheld is told as a number. */
  #tell(client: string, path: string, cause?: string): void {
    const withheld = this.#shares.admit(client, performance.now());
    if (withheld === undefined) return;
    if (withheld > 0) {
      const more = `${withheld} more mount requests of this client were not listed`;
      this.#publish({ kind: 'mount', client, path: '', ok: false, cause: more });
    }
    this.#publish({ kind: 'mount', client, path, ok: cause === undefined, cause });
  }

  #unmount(call: RpcCall): AcceptStatus {
    call.args.opaque(LONGEST_ARGUMENT);
    if (call.args.bad) return Accept.garbageArguments;
    this.#table.remove(call.client, call.args.text());
    return Accept.success;
  }

  /** Each client sees its own mounts only. */
  #dump(call: RpcCall, out: XdrWriter): AcceptStatus {
    const name = Buffer.from(call.client);
    for (const path of this.#table.paths(call.client)) {
      const directory = Buffer.from(path);
      out.reserve(name.length + directory.length + 24);
      out.u32(1);
      out.opaque(name);
      out.opaque(directory);
    }
    out.u32(0);
    return Accept.success;
  }

  #export(call: RpcCall, out: XdrWriter): AcceptStatus {
    const paths = this.#exports.list?.(call.client) ?? [];
    for (const path of paths.slice(0, MOST_EXPORTS)) {
      const directory = Buffer.from(path).subarray(0, LONGEST_PATH);
      out.reserve(directory.length + 24);
      out.u32(1);
      out.opaque(directory);
      out.u32(0);
    }
    out.u32(0);
    return Accept.success;
  }
}
/** More would not fit a datagram. */
const MOST_EXPORTS = 24;

function writeFlavours(out: XdrWriter): void {
  out.u32(1);
  out.u32(AUTH_SYS);
}

/** The answer to a MOUNT of a share, once it is open. */
class ShareMount implements DeferredReply {
  readonly size = PLAIN_REPLY;
  readonly #share: NfsShare;
  readonly #note: (cause?: string) => void;

  constructor(share: NfsShare, note: (cause?: string) => void) {
    this.#share = share;
    this.#note = note;
  }

  async complete(out: XdrWriter): Promise<void> {
    let handle: Uint8Array;
    try {
      handle = await this.#share.open();
    } catch (error) {
      this.#note(messageOf(error));
      return out.u32(SERVER_FAULT);
    }
    this.#note();
    out.u32(OK);
    out.opaque(handle);
    writeFlavours(out);
  }
}
