import { setImmediate as nextTurn } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import { LARGEST_REPLY } from '../protocols/nfs/buffer-pool.ts';
import { Accept } from '../protocols/nfs/rpc.ts';
import { answerShare, mustNotRepeat } from '../protocols/nfs/share/answer.ts';
import { handleOf } from '../protocols/nfs/share/directory.ts';
import { bareFailure, NfsFailure } from '../protocols/nfs/share/failure.ts';
import type { ShareReply, ShareRequest } from '../protocols/nfs/share/share.ts';
import { Status, type NfsStatus } from '../protocols/nfs/status.ts';
import { ReplyBuffer, XdrWriter } from '../protocols/nfs/xdr.ts';
import { statusOf } from './contents.ts';
import type { Answer, FromWorker, Order, ShareName } from './messages.ts';
import { ShareStore } from './share-store.ts';

/** Calls of one share that are worked off before those of others have their turn. */
const MOST_PER_BATCH = 128;
/** How long the times of reads and of writes that nobody commits may stay in memory. */
const LOOSE_TIMES_MS = 2000;

/** Arguments of so many bytes give their memory back. */
const LARGE = 256 * 1024;

type Post = (message: FromWorker, transfer?: ArrayBuffer[]) => void;
type Call = Order & { kind: 'call' };

/** A call that was worked off, and what its reply still waits for. */
interface Worked {
  number: number;
  request: ShareRequest;
  reply: ShareReply;
  /** it may have seen or made changes of the transaction that is open */
  needsCommit: boolean;
  syncs: Promise<void>[];
}

/** Any reply fits. */
const scratch = new XdrWriter(new ReplyBuffer(LARGEST_REPLY));

/**
 * Works off the calls of one share in their order. All that wait together are one transaction, whose replies go out when
 * it is on disk (group commit): a client that sends many pays for one.
 */
export class ShareWorker {
  readonly #name: ShareName;
  readonly #post: Post;
  readonly #orders: Order[] = [];
  #store: ShareStore | undefined;
  #working = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(name: ShareName, post: Post) {
    this.#name = name;
    this.#post = post;
  }

  take(order: Order): void {
    this.#orders.push(order);
    void this.#work();
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    // What comes in the same turn of the loop belongs together.
    for (await nextTurn(); this.#orders.length > 0; await nextTurn()) {
      const calls = this.#takeCalls();
      if (calls.length > 0) await this.#answer(calls);
      else await this.#openOrClose(this.#orders.shift());
    }
    this.#working = false;
    this.#watchLooseTimes();
  }

  #takeCalls(): Call[] {
    const end = this.#orders.findIndex((order) => order.kind !== 'call');
    const count = Math.min(end < 0 ? this.#orders.length : end, MOST_PER_BATCH);
    return this.#orders.splice(0, count).filter((order) => order.kind === 'call');
  }

  async #openOrClose(order: Order | undefined): Promise<void> {
    if (!order) return;
    const { number } = order;
    try {
      if (order.kind === 'close') {
        await this.#close();
        this.#post([{ number }]);
      } else this.#post([{ number, handle: handleOf(this.#name.id, this.#open().root) }]);
    } catch (error) {
      const code = error instanceof BootyardError ? error.code : 'persist.share';
      this.#post([{ number, failed: { code, message: messageOf(error) } }]);
    }
  }

  #open(): ShareStore {
    return (this.#store ??= new ShareStore(this.#name.id, this.#name.folder));
  }

  async #close(abandon = false): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const store = this.#store;
    this.#store = undefined;
    await store?.close(abandon);
  }

  async #answer(calls: Call[]): Promise<void> {
    const done: Worked[] = [];
    try {
      const store = this.#open();
      const isLone = calls.length === 1 && this.#orders.length === 0;
      for (const call of calls) done.push(this.#workOff(store, call, isLone));
      if (store.changed) store.commitChanges();
      this.#send(done);
    } catch (error) {
      await this.#giveUp(calls, done, error);
    }
  }

  #workOff(store: ShareStore, { number, request }: Call, isLone: boolean): Worked {
    const once = mustNotRepeat(request.procedure);
    const known = once ? store.replies.find(request) : undefined;
    scratch.position = 0;
    const reply = known
      ? { accept: Accept.success, results: new Uint8Array(known) }
      : answerShare(store, request, scratch);
    if (once && !known && store.changed && isSuccess(reply)) {
      store.replies.add(request, new Uint8Array(reply.results));
    }
    return { number, request, reply, needsCommit: store.changed, syncs: store.endCall(isLone) };
  }

  /** What had no part in the transaction is answered; the rest has failed, and the share is as it was before. */
  async #giveUp(calls: Call[], done: Worked[], error: unknown): Promise<void> {
    const status = error instanceof NfsFailure ? error.status : statusOf(error);
    this.#post({ log: `/persist in ${this.#name.folder}: ${messageOf(error)}` });
    this.#send(done.filter(({ needsCommit }) => !needsCommit));
    const answered = new Set(done.filter(({ needsCommit }) => !needsCommit).map(({ number }) => number));
    const failed = calls.filter(({ number }) => !answered.has(number));
    this.#post(failed.map(({ number, request }) => ({ number, reply: failure(request, status) })));
    await this.#close(true).catch((closing: unknown) => this.#post({ log: messageOf(closing) }));
  }

  /** Replies that wait for nothing more go out together, the others when their bytes are on disk. */
  #send(done: readonly Worked[]): void {
    const ready = done.filter(({ syncs }) => syncs.length === 0);
    this.#postReplies(ready);
    for (const worked of done) if (worked.syncs.length > 0) void this.#sendLater(worked);
  }

  async #sendLater(worked: Worked): Promise<void> {
    try {
      await Promise.all(worked.syncs);
      this.#postReplies([worked]);
    } catch (error) {
      const status = error instanceof NfsFailure ? error.status : Status.io;
      this.#postReplies([{ ...worked, reply: failure(worked.request, status) }]);
    }
  }

  #postReplies(done: readonly Worked[]): void {
    if (done.length === 0) return;
    const answers: Answer[] = done.map(({ number, request, reply }) => {
      const { buffer } = request.args;
      return { number, reply: buffer.byteLength < LARGE ? reply : { ...reply, spare: buffer } };
    });
    const buffers = answers
      .flatMap(({ reply }) => [reply?.results.buffer, reply?.spare])
      .filter((one) => one instanceof ArrayBuffer);
    this.#post(answers, buffers);
  }

  #watchLooseTimes(): void {
    if (this.#timer || !this.#store?.hasLooseTimes) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      try {
        if (!this.#working) this.#store?.commitChanges();
      } catch (error) {
        void this.#giveUp([], [], error);
      }
    }, LOOSE_TIMES_MS);
  }
}

function isSuccess({ accept, results }: ShareReply): boolean {
  return accept === Accept.success && results.subarray(0, 4).every((byte) => byte === 0);
}

function failure(request: ShareRequest, status: NfsStatus): ShareReply {
  return { accept: Accept.success, results: bareFailure(request.procedure, status) };
}
