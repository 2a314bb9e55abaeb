/** What one line says of a frame. */
export interface Summary {
  /** as Wireshark names it */
  protocol: string;
  source: string;
  target: string;
  text: string;
}

/** One end of a UDP or TCP conversation, of IPv4. */
export interface Endpoint {
  address: string;
  port: number;
}

/** What is known of a packet's content by the layer above its ports. */
export interface Content {
  protocol: string;
  text: string;
}

export function endpoint({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}

const LONGEST_TEXT = 200;

/** Bytes of others as one short line without what a terminal would obey. */
export function lineOf(bytes: Buffer): string {
  const text = bytes.subarray(0, LONGEST_TEXT).toString('utf8');
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '.');
}

export function macText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export function addressText(bytes: Uint8Array): string {
  return [...bytes].join('.');
}

/** A map that forgets what came first when it has `most` entries: nodes choose what is put into it. */
export class BoundedMap<V> {
  readonly #map = new Map<string, V>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    const [first] = this.#map.keys();
    if (this.#map.size > this.#most && first !== undefined) this.#map.delete(first);
  }

  delete(key: string): void {
    this.#map.delete(key);
  }
}
