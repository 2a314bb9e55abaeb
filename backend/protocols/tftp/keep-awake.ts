/** an answer that is expected later than this is worth a sleep */
const soonMs = 0.1;

let until = 0;
let isAwake = false;

/**
 * Keeps the event loop polling, instead of sleeping, for an answer that is due within microseconds: in lock-step the time to
 * fall asleep and to be woken would be a third of each round trip. It lasts for two round trips at most, and does nothing
 * for slow clients such as emulated ones.
 */
export function keepAwake(expectedMs: number): void {
  if (expectedMs > soonMs) return;
  until = performance.now() + 2 * expectedMs;
  if (isAwake) return;
  isAwake = true;
  setImmediate(poll);
}

function poll(): void {
  if (performance.now() < until) setImmediate(poll);
  else isAwake = false;
}
