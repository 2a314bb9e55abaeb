import type { ShareRequest } from '../protocols/nfs/share/share.ts';
import type { ShareTables } from './tables.ts';

const SLOTS = 512;

/**
 * The last replies to calls that must not be done twice. A client that lost its connection asks again with the same xid:
 * it gets the same answer, also from the next daemon, because a reply is kept in the transaction of what it tells of.
 */
export class ReplyCache {
  readonly #tables: ShareTables;
  readonly #replies = new Map<string, Uint8Array>();
  #last = 0;

  constructor(tables: ShareTables) {
    this.#tables = tables;
    for (const { number, call, results } of tables.replies()) {
      this.#last = number;
      this.#replies.set(call, results);
    }
  }

  find(request: ShareRequest): Uint8Array | undefined {
    return this.#replies.get(identityOf(request));
  }

  /** Within the transaction. */
  add(request: ShareRequest, results: Uint8Array): void {
    const call = identityOf(request);
    const number = ++this.#last;
    this.#tables.putReply(number % SLOTS, number, call, results);
    this.#replies.delete(call);
    this.#replies.set(call, results);
    for (const oldest of this.#replies.keys()) {
      if (this.#replies.size <= SLOTS) break;
      this.#replies.delete(oldest);
    }
  }
}

/** Another call with the same xid, long after, has other arguments. */
function identityOf({ xid, procedure, args }: ShareRequest): string {
  let hash = 0x811c9dc5;
  for (const byte of args) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${xid.toString(16)} ${procedure} ${args.length} ${(hash >>> 0).toString(16)}`;
}
