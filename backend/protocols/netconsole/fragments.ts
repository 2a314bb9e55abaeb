import type { Record } from './packets.ts';

/** Records that may be incomplete at a time. */
const MOST_OPEN = 8;

interface Open {
  time: number;
  body: Buffer;
  /** parts that are there: [from, to[ */
  parts: [number, number][];
}

/** Puts records together whose fragments come in any order, or not at all. Its memory is `MOST_OPEN` records. */
export class Fragments {
  readonly #open = new Map<number, Open>();
  readonly #onRecord: (record: Record) => void;

  constructor(onRecord: (record: Record) => void) {
    this.#onRecord = onRecord;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  take(record: Record): void {
    const { sequence, time, fragment, body } = record;
    if (!fragment) return this.#onRecord(record);
    const known = this.#open.get(sequence);
    // The same number with another size: an earlier boot's, which will not be whole any more.
    if (known && (known.time !== time || known.body.length !== fragment.total)) this.#close(sequence, known);
    let open = this.#open.get(sequence);
    if (!open) {
      if (this.#open.size >= MOST_OPEN) this.#closeFirst();
      open = { time, body: Buffer.alloc(fragment.total), parts: [] };
      this.#open.set(sequence, open);
    }
    body.copy(open.body, fragment.offset);
    open.parts = joined([...open.parts, [fragment.offset, fragment.offset + body.length]]);
    const [[from, to] = [0, 0]] = open.parts;
    if (from === 0 && to === fragment.total) this.#close(sequence, open);
  }

  /** What is not whole will not be: hands it over with a mark where something is missing. */
  flush(): void {
    while (!this.isEmpty) this.#closeFirst();
  }

  #closeFirst(): void {
    const [first] = this.#open;
    if (first) this.#close(...first);
  }

  #close(sequence: number, { time, body, parts }: Open): void {
    this.#open.delete(sequence);
    const pieces: Buffer[] = [];
    let at = 0;
    for (const [from, to] of [...parts, [body.length, body.length] as const]) {
      if (from > at) pieces.push(Buffer.from(`[... ${from - at} bytes lost ...]`));
      pieces.push(body.subarray(from, to));
      at = to;
    }
    this.#onRecord({ sequence, time, body: Buffer.concat(pieces) });
  }
}

/** Parts in order, with those that touch as one. */
function joined(parts: [number, number][]): [number, number][] {
  const whole: [number, number][] = [];
  for (const [from, to] of parts.toSorted(([a], [b]) => a - b)) {
    const last = whole.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else whole.push([from, to]);
  }
  return whole;
}
