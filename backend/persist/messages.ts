import type { ShareReply, ShareRequest } from '../protocols/nfs/share/share.ts';

/** Which share, and where its files are. */
export interface ShareName {
  /** 64-bit identity in file handles */
  id: bigint;
  folder: string;
}

/** To the thread that owns the shares. Each has an answer of the same number. */
export type Order = ShareName & { number: number } & (
    { kind: 'open' } | { kind: 'call'; request: ShareRequest } | { kind: 'close' }
  );

/** From that thread. An open gives the root's handle, a call its reply; `failed` is a sentence. */
export interface Answer {
  number: number;
  handle?: Uint8Array;
  reply?: ShareReply;
  failed?: { code: string; message: string };
}

/** A line for the daemon's log. */
export type FromWorker = Answer[] | { log: string };
