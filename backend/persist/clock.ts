let last = 0n;

/**
 * Nanoseconds since the epoch, each time more than before: a client knows by its time that something has changed. Rounded
 * up, so that what is dated after a write to a file of the host is not before that file's own time.
 */
export function now(): bigint {
  const wall = BigInt(Date.now() + 1) * 1_000_000n;
  last = wall > last ? wall : last + 1n;
  return last;
}
