import type { LogRecord } from '../api/log-lines.ts';
import { textOf } from '../api/log-lines.ts';
import { UsageError } from './usage.ts';

export const DEFAULT_FORMAT = '{timestamp:%H:%M:%S.%f} {issuer}.{stream} -> {line}';

const FIELDS = ['timestamp', 'issuer', 'stream', 'line'] as const;
type Field = (typeof FIELDS)[number];
type Piece = string | { field: Field; spec: string };

/** Writes a record as bytes: a line stays as it came. */
export type LogFormat = (record: LogRecord) => Buffer;

/**
 * A format as Python's `str.format` has it, with the fields `timestamp` (directives of strftime), `issuer`, `stream` and
 * `line` (fill, alignment, width and precision). Throws WalT's sentence, and what is wrong.
 */
export function compileFormat(format: string): LogFormat {
  const pieces = parse(format);
  return (record) => Buffer.concat(pieces.map((piece) => render(piece, record)));
}

function parse(format: string): Piece[] {
  const pieces: Piece[] = [];
  const pattern = /\{\{|\}\}|\{([a-z_]*)(?::([^{}]*))?\}|[{}]|[^{}]+/g;
  for (const [text, field, spec = ''] of format.matchAll(pattern)) {
    if (text === '{{' || text === '}}') pieces.push(text[0] ?? '');
    else if (text === '{' || text === '}')
      throw wrong(`a '${text}' stands alone; write '${text}${text}' for one`);
    else if (field === undefined) pieces.push(text);
    else pieces.push(checkedField(field, spec));
  }
  return pieces;
}

function checkedField(name: string, spec: string): Piece {
  const field = FIELDS.find((known) => known === name);
  if (!field) throw wrong(`there is no field '${name}', but ${FIELDS.join(', ')}`);
  if (field === 'timestamp') {
    for (const [all, directive = ''] of spec.matchAll(/%(.?)/gs)) {
      if (!Object.hasOwn(DIRECTIVES, directive)) throw wrong(`'${all}' is no directive for times`);
    }
  } else if (!SPEC.test(spec)) throw wrong(`'${spec}' says nothing about how to write a text`);
  return { field, spec };
}

function wrong(why: string): UsageError {
  return new UsageError(`Could not display the log record.\nVerify your format string: ${why}.`);
}

function render(piece: Piece, record: LogRecord): Buffer {
  if (typeof piece === 'string') return Buffer.from(piece);
  const { field, spec } = piece;
  if (field === 'timestamp') return Buffer.from(strftime(spec || '%Y-%m-%d %H:%M:%S.%f', record.time));
  if (field === 'line' && spec === '') return Buffer.from(record.line);
  return Buffer.from(aligned(field === 'line' ? textOf(record.line) : record[field], spec));
}

const SPEC = /^(?:(.)?([<>^]))?0?(\d{1,4})?(?:\.(\d{1,5}))?s?$/u;

function aligned(text: string, spec: string): string {
  const [, fill = ' ', align = '<', width = '0', precision] = SPEC.exec(spec) ?? [];
  const chars = Array.from(text).slice(0, precision === undefined ? undefined : Number(precision));
  const missing = Math.max(0, Number(width) - chars.length);
  const before = align === '<' ? 0 : align === '>' ? missing : Math.floor(missing / 2);
  return fill.repeat(before) + chars.join('') + fill.repeat(missing - before);
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];
const two = (value: number): string => String(value).padStart(2, '0');

/** By the letter; `time` in us since the epoch, and the same in local time. */
const DIRECTIVES: Readonly<Record<string, (date: Date, time: number) => string>> = {
  a: (date) => (DAYS[date.getDay()] ?? '').slice(0, 3),
  A: (date) => DAYS[date.getDay()] ?? '',
  b: (date) => (MONTHS[date.getMonth()] ?? '').slice(0, 3),
  B: (date) => MONTHS[date.getMonth()] ?? '',
  d: (date) => two(date.getDate()),
  f: (_, time) => String(time % 1_000_000).padStart(6, '0'),
  F: (date, time) => strftime('%Y-%m-%d', time),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  s: (_, time) => String(Math.floor(time / 1_000_000)),
  S: (date) => two(date.getSeconds()),
  T: (_, time) => strftime('%H:%M:%S', time),
  y: (date) => two(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  '%': () => '%',
};

function dayOfYear(date: Date): number {
  const midnight = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (midnight - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000;
}

function strftime(format: string, time: number): string {
  const date = new Date(time / 1000);
  return format.replace(/%(.)/gs, (_, letter: string) => DIRECTIVES[letter]?.(date, time) ?? '');
}
