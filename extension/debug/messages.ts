const HEADER_END = '\r\n\r\n';
/** bytes of a header; more is none */
const MAX_HEADER = 4_096;
/** bytes of a message; more is none of a debugger's */
const MAX_MESSAGE = 64 << 20;

/** A message of the Debug Adapter Protocol as it is sent: a header with its length, then JSON. */
export function framed(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}${HEADER_END}`), body]);
}

/** Finds the messages of the Debug Adapter Protocol in bytes that come in any pieces. */
export class MessageReader {
  #bytes = Buffer.alloc(0);

  /** Answers what is complete, parsed. Throws when the bytes are no such messages. */
  take(data: Uint8Array): unknown[] {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    const messages: unknown[] = [];
    for (let body = this.#next(); body; body = this.#next()) messages.push(JSON.parse(body.toString()));
    return messages;
  }

  #next(): Buffer | undefined {
    const end = this.#bytes.subarray(0, MAX_HEADER).indexOf(HEADER_END);
    if (end < 0 && this.#bytes.length < MAX_HEADER) return undefined;
    const length = Number(/^Content-Length: *(\d+)$/im.exec(this.#bytes.toString('latin1', 0, end))?.[1]);
    if (end < 0 || !(length <= MAX_MESSAGE)) {
      throw new Error(`It is no debugger: ${JSON.stringify(this.#bytes.toString('latin1', 0, 80))}`);
    }
    const start = end + HEADER_END.length;
    if (this.#bytes.length < start + length) return undefined;
    const body = this.#bytes.subarray(start, start + length);
    this.#bytes = this.#bytes.subarray(start + length);
    return body;
  }
}
