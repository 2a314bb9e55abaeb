import type { Readable } from 'node:stream';

/** A line longer than this comes in pieces, by default: a node may send one without end. */
const MAX_LINE = 64 * 1024;

/** The lines of a stream, without their ends. Bytes stay as they are. */
export async function* linesOf(from: Readable, maxLine = MAX_LINE): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of from) {
    rest = Buffer.concat([rest, Buffer.from(chunk)]);
    let begin = 0;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, begin)) {
      yield rest.subarray(begin, end);
      begin = end + 1;
    }
    rest = rest.subarray(begin);
    if (rest.length > maxLine) {
      yield rest;
      rest = Buffer.alloc(0);
    }
  }
  if (rest.length > 0) yield rest;
}
