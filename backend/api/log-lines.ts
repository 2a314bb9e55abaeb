import { isUtf8 } from 'node:buffer';
import * as z from 'zod';
import { BootyardError } from '../errors.ts';
import { textOf } from '../logs/line.ts';
import type { LogRecord } from '../logs/reader.ts';
import type { ClientStream } from './client-stream.ts';
import { eachLine } from './stream-lines.ts';

/** A line of a log as it travels: JSON, one to a line of the stream. */
const Frame = z.object({
  /** its number in the order of arrival */
  n: z.number(),
  /** us since the epoch */
  t: z.number(),
  i: z.string(),
  s: z.string(),
  /** text, or base64 of bytes that are no UTF-8 */
  l: z.string().optional(),
  b: z.string().optional(),
  /** base64 of what a line of a serial line was made of, if that is asked for */
  r: z.string().optional(),
});
/** A byte of a line takes six in JSON when it is a control character. */
const MAX_FRAME = 1024 * 1024;

export type { LogRecord } from '../logs/reader.ts';
export { SERVER_NAME } from '../logs/ingester.ts';
export { textOf } from '../logs/line.ts';

/** The time of a line (us since the epoch) with all its digits: 2026-01-02T03:04:05.678901Z. */
export function isoTime(time: number): string {
  const micros = String(time % 1_000_000).padStart(6, '0');
  return new Date(time / 1000).toISOString().replace(/\d{3}Z$/, `${micros}Z`);
}

/** `withRaw`: with what lines of serial lines were made of */
export function encodeRecords(records: readonly LogRecord[], withRaw = false): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify(frame(record, withRaw))}\n`).join(''));
}

function frame({ id, time, issuer, stream, line, raw }: LogRecord, withRaw: boolean): z.infer<typeof Frame> {
  const content = isUtf8(line) ? { l: textOf(line) } : { b: Buffer.from(line).toString('base64') };
  const made = withRaw && raw ? { r: Buffer.from(raw).toString('base64') } : {};
  return { n: id, t: time, i: issuer, s: stream, ...content, ...made };
}

/** As `eachLine`, for the stream of `log.read`. */
export function eachRecord(
  stream: ClientStream,
  signal: AbortSignal,
  onRecord: (record: LogRecord) => Promise<void> | void,
): Promise<string | undefined> {
  return eachLine(stream, signal, (line) => onRecord(decodeRecord(line)), MAX_FRAME);
}

function decodeRecord(line: Buffer): LogRecord {
  try {
    const { n, t, i, s, l, b, r } = Frame.parse(JSON.parse(line.toString()));
    return {
      id: n,
      time: t,
      issuer: i,
      stream: s,
      line: b === undefined ? Buffer.from(l ?? '') : Buffer.from(b, 'base64'),
      ...(r !== undefined && { raw: Buffer.from(r, 'base64') }),
    };
  } catch {
    throw new BootyardError(
      'api.answer',
      'What the daemon sends of its logs is not understood: is it of another version?',
    );
  }
}
