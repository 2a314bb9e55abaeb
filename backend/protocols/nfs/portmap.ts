import { Accept, type AcceptStatus, type RpcCall, type RpcProgram } from './rpc.ts';
import type { XdrWriter } from './xdr.ts';

export const PORTMAP_PROGRAM = 100000;
const PORTMAP_VERSION = 2;

/** One service that the portmapper tells of; each is there on TCP and on UDP. */
export interface PortMapping {
  program: number;
  version: number;
  port: number;
}

const TCP = 6;
const UDP = 17;

/**
 * The portmapper, version 2 (RFC 1833 §3). It knows our own services and lets nobody register more; CALLIT, which
 * would make it send packets for others, is not there. Clients that try rpcbind versions 3 and 4 first are told to
 * come back with version 2.
 */
export class Portmap implements RpcProgram {
  readonly number = PORTMAP_PROGRAM;
  readonly lowVersion = PORTMAP_VERSION;
  readonly highVersion = PORTMAP_VERSION;
  readonly #mappings: readonly PortMapping[];

  /** @param port its own, which DUMP lists first */
  constructor(port: number, mappings: readonly PortMapping[]) {
    this.#mappings = [{ program: PORTMAP_PROGRAM, version: PORTMAP_VERSION, port }, ...mappings];
  }

  run(call: RpcCall, out: XdrWriter): AcceptStatus {
    switch (call.procedure) {
      case 0:
        return Accept.success;
      case 1:
      case 2:
        return refuse(call, out);
      case 3:
        return this.#getPort(call, out);
      case 4:
        return this.#dump(out);
      default:
        return Accept.procedureUnavailable;
    }
  }

  #getPort(call: RpcCall, out: XdrWriter): AcceptStatus {
    const { args } = call;
    const program = args.u32();
    const version = args.u32();
    const protocol = args.u32();
    args.u32();
    if (args.bad) return Accept.garbageArguments;
    const known = protocol === TCP || protocol === UDP;
    const found = this.#mappings.filter((mapping) => known && mapping.program === program);
    // Like rpcbind: the port of another version, if there is one, so that the program itself can say PROG_MISMATCH.
    out.u32((found.find((mapping) => mapping.version === version) ?? found[0])?.port ?? 0);
    return Accept.success;
  }

  #dump(out: XdrWriter): AcceptStatus {
    for (const { program, version, port } of this.#mappings) {
      for (const protocol of [TCP, UDP]) {
        for (const value of [1, program, version, protocol, port]) out.u32(value);
      }
    }
    out.u32(0);
    return Accept.success;
  }
}

/** SET and UNSET answer with "false". */
function refuse(call: RpcCall, out: XdrWriter): AcceptStatus {
  call.args.skip(16);
  if (call.args.bad) return Accept.garbageArguments;
  out.bool(false);
  return Accept.success;
}
