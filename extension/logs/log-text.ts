import { stripVTControlCharacters } from 'node:util';
import { isoTime, textOf, type LogRecord } from '../../backend/api/log-lines.ts';
import { printable } from '../../backend/api/printable.ts';
import type { Line, Query } from './messages.ts';

/** What a row shows of a line; an export has the whole of it. */
const LONGEST = 4000;

/** A line as the page shows it: what a node has written must not move or colour anything. */
export function shownLine({ id, time, issuer, stream, line }: LogRecord): Line {
  const text = printable(stripVTControlCharacters(textOf(line)));
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}... (${line.length} bytes)` : text;
  return { id, time, issuer, stream: printable(stream), text: shown };
}

/** A line as a file has it: its bytes stay as they came. */
export function exportedLine({ time, issuer, stream, line }: LogRecord): Buffer {
  return Buffer.concat([Buffer.from(`${isoTime(time)} ${issuer}.${stream} -> `), line, Buffer.from('\n')]);
}

/** The daemon's filters for what was typed. */
export function filters(
  { issuers, streams, search }: Query,
  node: string,
): { issuers: string[]; streams?: string; regexp?: string } {
  return {
    issuers: [node || issuers.trim() || 'all-nodes'],
    ...(streams !== '' && { streams }),
    ...(search !== '' && { regexp: search }),
  };
}

/** The times that a query is about, as the API has them. */
export function times({ from, to }: Query): { from?: number; to?: number } {
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}
