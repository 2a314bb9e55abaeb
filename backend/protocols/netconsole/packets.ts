/**
 * Datagrams of the kernel's netconsole (Documentation/networking/netconsole.rst). The basic format is the console's text, cut
 * into 1000 bytes; the extended one is that of /dev/kmsg (Documentation/ABI/testing/dev-kmsg), one record each:
 * `[release,]priority,sequence,microseconds,flags[,key=value]...;text`, cut with `ncfrag=offset/total` of the bytes behind
 * the semicolon.
 */
export interface Record {
  /** grows by one with each record since the kernel's start */
  sequence: number;
  /** us since the kernel's start */
  time: number;
  /** undefined: the body is whole */
  fragment?: { offset: number; total: number };
  body: Buffer;
}

/** What is behind the semicolon: the kernel's record has 1 KiB or 2, and its dictionary as much again. */
export const MOST_BODY = 16 * 1024;
/** A head is short; what has none in its first bytes is text. */
const MOST_HEAD = 256;
const HEAD = /^(?:[^,;]{1,64},)?\d{1,4},(\d{1,15}),(\d{1,15}),[-+c]((?:,[^;,]{0,128}){0,4});/;
const FRAGMENT = /(?:^|,)ncfrag=(\d{1,6})\/(\d{1,6})(?:,|$)/;

/** The record of a datagram in the extended format; undefined: it is text, in the basic one. */
export function decodeRecord(packet: Buffer): Record | undefined {
  const [head, sequence, time, more = ''] = HEAD.exec(packet.toString('latin1', 0, MOST_HEAD)) ?? [];
  if (head === undefined) return undefined;
  const body = packet.subarray(head.length);
  const whole = { sequence: Number(sequence), time: Number(time), body };
  const [isFragment, start, all] = FRAGMENT.exec(more) ?? [];
  if (!isFragment) return whole;
  const [offset, total] = [Number(start), Number(all)];
  // One that lies about its place is shown as it came.
  if (total > MOST_BODY || offset + body.length > total) return whole;
  return { ...whole, fragment: { offset, total } };
}

/** The lines of a whole record, with the kernel's time before each as on its console; the dictionary is left out. */
export function recordLines({ time, body }: Pick<Record, 'time' | 'body'>): Buffer[] {
  const end = body.indexOf('\n');
  const text = unescape(end < 0 ? body : body.subarray(0, end));
  const seconds = String(Math.floor(time / 1e6)).padStart(5);
  const head = Buffer.from(`[${seconds}.${String(time % 1e6).padStart(6, '0')}] `);
  return splitLines(text).map((line) => Buffer.concat([head, line]));
}

/** A newline at the end begins no line. */
export function splitLines(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let begin = 0;
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, begin)) {
    lines.push(text.subarray(begin, end));
    begin = end + 1;
  }
  if (begin < text.length || lines.length === 0) lines.push(text.subarray(begin));
  return lines;
}

/** The kernel writes what is not printable ASCII, and the backslash, as \xNN. */
function unescape(text: Buffer): Buffer {
  const plain = text.toString('latin1');
  if (!plain.includes('\\x')) return text;
  const unescaped = plain.replace(/\\x([0-9a-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return Buffer.from(unescaped, 'latin1');
}
