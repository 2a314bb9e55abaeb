import type { AcceptStatus } from '../rpc.ts';

/** One call of an NFS procedure on a share, as it goes to whoever keeps the share's files. */
export interface ShareRequest {
  procedure: number;
  /** the client's number of this call; the same when it asks again */
  xid: number;
  /** AUTH_SYS */
  uid: number;
  gid: number;
  groups: number[];
  /** most data bytes that the reply may carry */
  dataLimit: number;
  /** arguments in XDR; nobody else uses this memory */
  args: Uint8Array<ArrayBuffer>;
}

export interface ShareReply {
  accept: AcceptStatus;
  /** XDR; none unless accepted */
  results: Uint8Array;
  /** the memory of the arguments, when it is large */
  spare?: ArrayBuffer;
}

/** A directory that its client may change. All answers come later, because they wait for a disk. */
export interface NfsShare {
  /** 64-bit identity, part of every file handle */
  readonly id: bigint;
  /** nfs_fh3 of its root, without a length. Rejects with a BootyardError when the share cannot be opened. */
  open(): Promise<Uint8Array>;
  /** Requests are worked off in the order in which they come. */
  call(request: ShareRequest): Promise<ShareReply>;
}
