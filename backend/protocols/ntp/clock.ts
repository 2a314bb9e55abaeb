/** ms; long enough to see the host's clock tick twice */
const FIRST_LOOK_MS = 3;

/**
 * The host's time in milliseconds since 1970, with a fraction: `Date.now` has whole ones only, and the monotonic clock
 * says how far between two of them it is. Each reading narrows down by how much the two differ, and so follows a host
 * clock that is set.
 */
export class HostClock {
  /** what the host's clock has more than the monotonic one */
  #offset = 0;

  constructor() {
    for (const end = Date.now() + FIRST_LOOK_MS; Date.now() < end;) this.now();
  }

  now(): number {
    const earliest = Date.now();
    const monotonic = performance.now();
    const latest = Date.now() + 0.999;
    const time = Math.min(Math.max(monotonic + this.#offset, earliest), latest);
    this.#offset = time - monotonic;
    return time;
  }
}
