export interface Negotiated {
  /** what the OACK says; empty: no OACK is sent */
  readonly accepted: readonly (readonly [string, string])[];
  /** bytes of data in a block */
  readonly blockSize: number;
  /** blocks sent before an ACK is awaited */
  readonly windowSize: number;
  /** the client's own wish for the time between two attempts */
  readonly timeoutMs?: number;
}

const defaultBlockSize = 512;
const smallestBlockSize = 8;
const largestBlockSize = 65464;

/**
 * Decides on the options of a read request (RFC 2347): blksize (2348), tsize and timeout (2349), windowsize (7440).
 * Unknown options and impossible values are passed over in silence, as RFC 2347 wants. Names match in any case and are
 * answered in the client's spelling. A window is made smaller to hold at most `windowBytes`.
 */
export function negotiate(
  options: readonly (readonly [string, string])[],
  size: number,
  windowBytes: number,
): Negotiated {
  const accepted: [string, string][] = [];
  const asked = new Map<string, { name: string; value: number }>();
  for (const [name, text] of options) {
    const key = name.toLowerCase();
    if (/^\d{1,15}$/.test(text) && !asked.has(key)) asked.set(key, { name, value: Number(text) });
  }
  const accept = (key: string, least: number, decide: (value: number) => number | undefined) => {
    const option = asked.get(key);
    const value = option && option.value >= least ? decide(option.value) : undefined;
    if (option && value !== undefined) accepted.push([option.name, String(value)]);
    return value;
  };
  const blockSize =
    accept('blksize', smallestBlockSize, (value) => Math.min(value, largestBlockSize)) ?? defaultBlockSize;
  const timeout = accept('timeout', 1, (value) => (value <= 255 ? value : undefined));
  accept('tsize', 0, () => size);
  const windowSize =
    accept('windowsize', 1, (value) =>
      value <= 65535 ? Math.min(value, Math.max(1, Math.floor(windowBytes / blockSize))) : undefined,
    ) ?? 1;
  return { accepted, blockSize, windowSize, timeoutMs: timeout === undefined ? undefined : timeout * 1000 };
}
