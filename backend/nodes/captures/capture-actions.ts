import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../../errors.ts';
import { LineSender, type Reader } from '../line-sender.ts';
import { exportCapture } from './export.ts';
import type { CaptureInfo, Trace } from './info.ts';
import type { NodeCaptures } from './node-captures.ts';
import { packetLines } from './packet-lines.ts';

interface Captured {
  readonly name: string;
  readonly captures: NodeCaptures;
}

/** Which capture: the last one by default. */
export interface WhichCapture {
  network?: string | undefined;
  boot?: number | undefined;
}

const POLL_MS = 200;

/** Captures of all nodes, as the API asks for them. Every error is a sentence. */
export class CaptureActions {
  readonly #one: (node: string) => Captured;
  readonly #closing = new AbortController();

  /** `one` throws for an unknown node. */
  constructor(one: (node: string) => Captured) {
    this.#one = one;
  }

  start(node: string, network: string | undefined, maxBytes: number): Promise<CaptureInfo[]> {
    return this.#one(node).captures.start(network, maxBytes);
  }

  stop(node: string, network: string | undefined): Promise<CaptureInfo[]> {
    return this.#one(node).captures.stop(network);
  }

  list(node: string): CaptureInfo[] {
    return this.#one(node).captures.list();
  }

  /** Writes the capture as pcapng; answers where, and how many packets it has. */
  async file(node: string, { network, boot }: WhichCapture) {
    const { name, captures } = this.#one(node);
    const record = captures.one(network, boot);
    const packets = await exportCapture(record, name, captures.timelineOf(record));
    return { path: record.pcapng, packets };
  }

  /** A line for each packet, or of one protocol; `follow`: until the capture ends. */
  packets(
    node: string,
    which: WhichCapture & { trace?: Trace | undefined; follow: boolean },
    reader: Reader,
  ): void {
    const { captures } = this.#one(node);
    const record = captures.one(which.network, which.boot);
    const closed = new AbortController();
    reader.onClose(() => closed.abort());
    const signal = AbortSignal.any([closed.signal, this.#closing.signal]);
    const startedAt = captures.timelineOf(record)?.startedAt;
    const since = startedAt === undefined ? record.startedAt : Date.parse(startedAt);
    const send = new LineSender(reader, signal);
    let isLastLook = !which.follow;
    const more = async (): Promise<boolean> => {
      if (isLastLook || signal.aborted) return false;
      await send.flush();
      // What it wrote last may have come after the last look.
      isLastLook = !captures.isGoingOn(record);
      if (!isLastLook) await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
      return true;
    };
    const work = async (): Promise<void> => {
      for await (const line of packetLines(record, { trace: which.trace, more, since })) {
        await send.write(`${line}\n`);
        if (signal.aborted) return;
      }
      await send.flush();
    };
    work().then(
      () => reader.end(),
      (error: unknown) => reader.end(messageOf(error)),
    );
  }

  close(): void {
    this.#closing.abort(new BootyardError('node.closed', 'The daemon ends.'));
  }
}
