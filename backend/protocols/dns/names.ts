/**
 * A domain name as its labels, the root left out. A character stands for a byte (latin1), so that any name goes back as
 * it came: text with dots could not tell the label `a.b` from the labels `a` and `b`.
 */
export type Name = readonly string[];

/** RFC 1035 §2.3.4 */
const MOST_NAME_BYTES = 255;
const POINTER = 0xc0;

/**
 * Reads a name that may not be compressed, such as that of a question, which has nothing before it to point to.
 * Undefined when it is not one (RFC 1035 §3.1).
 */
export function readName(packet: Buffer, from: number): { name: Name; end: number } | undefined {
  const name: string[] = [];
  let at = from;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) return { name, end: at };
    if (at + length > packet.length || at + length - from >= MOST_NAME_BYTES) return undefined;
    name.push(packet.toString('latin1', at, at + length));
    at += length;
  }
}

/** Where a name ends that may be compressed (RFC 1035 §4.1.4): a pointer is its last part and is not followed. */
export function skipName(packet: Buffer, from: number): number | undefined {
  let at = from;
  for (;;) {
    const length = packet[at];
    if (length === undefined) return undefined;
    if (length >= POINTER) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** Writes names, each as a pointer to what an earlier one ends in, where there is one (RFC 1035 §4.1.4). */
export class NameWriter {
  readonly #offsets = new Map<string, number>();

  /** The bytes of `name` when they come to stand at offset `at` of the message. */
  write(name: Name, at: number): Buffer {
    const parts: Buffer[] = [];
    let offset = at;
    for (let i = 0; i < name.length; i++) {
      const key = keyOf(name.slice(i));
      const earlier = this.#offsets.get(key);
      if (earlier !== undefined) {
        parts.push(Buffer.from([POINTER | (earlier >> 8), earlier & 0xff]));
        return Buffer.concat(parts);
      }
      if (offset < 0x4000) this.#offsets.set(key, offset);
      const label = Buffer.from(name[i] ?? '', 'latin1');
      parts.push(Buffer.from([label.length]), label);
      offset += 1 + label.length;
    }
    parts.push(Buffer.from([0]));
    return Buffer.concat(parts);
  }
}

/** Equal for names that are the same but for the case of letters (RFC 4343). */
function keyOf(name: Name): string {
  return JSON.stringify(name).toLowerCase();
}

/** What of `name` stands before `zone`, in lower case; undefined when it is not in the zone. */
export function below(name: Name, zone: Name): Name | undefined {
  const labels = name.map((label) => label.toLowerCase());
  const split = labels.length - zone.length;
  if (split < 0 || zone.some((label, i) => labels[split + i] !== label)) return undefined;
  return labels.slice(0, split);
}
