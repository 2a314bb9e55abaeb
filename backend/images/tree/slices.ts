import { setImmediate as nextTurn } from 'node:timers/promises';

/** Long work that may be interrupted wherever it yields. */
export type Steps<T> = Generator<void, T, void>;

/** How many entries of an image are handled between two yields: 1 ms of work, or a few. */
export const SLICE = 1024;

/** Does `work` with each of `items`. */
export function* eachOf<T>(items: Iterable<T>, work: (item: T) => void): Steps<void> {
  let done = 0;
  for (const item of items) {
    work(item);
    if (++done % SLICE === 0) yield;
  }
}

export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Lets the event loop turn at each yield, so that nodes are served meanwhile. Throws the reason of `signal`. */
export async function inSlices<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    const step = steps.next();
    if (step.done) return step.value;
    await nextTurn();
  }
}
