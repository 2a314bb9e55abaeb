import { BootyardError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const RELATIVE = /^-(\d{1,9})([smhd])$/;

/** Times in ms since the epoch, both included. */
export interface TimeRange {
  from: number;
  to: number;
}
/** The time of a checkpoint, in ms; undefined when there is none of that name. */
export type CheckpointTime = (name: string) => number | undefined;

/**
 * A range in WalT's grammar: `full`, or `[start]:[end]`, each side a relative time such as -5m, -30s, -2h, -1d or, where
 * `checkpoint` is given, the name of a checkpoint. Throws `range`.
 */
export function parseRange(text: string, now = Date.now(), checkpoint?: CheckpointTime): TimeRange {
  if (text === 'full') return { from: -Infinity, to: Infinity };
  const [start = '', end = '', ...others] = text.split(':');
  if (!text.includes(':') || others.length > 0) throw badRange(text, checkpoint);
  const time = (side: string): number => {
    const found = relativeTime(side, now) ?? checkpoint?.(side);
    if (found === undefined) throw badRange(text, checkpoint);
    return found;
  };
  const from = start === '' ? -Infinity : time(start);
  const to = end === '' ? Infinity : time(end);
  if (from <= to) return { from, to };
  throw new BootyardError('range', `The range '${text}' ends before it begins.`, { range: text });
}

/** `-<count><unit>` in ms since the epoch; undefined for anything else. */
export function relativeTime(text: string, now = Date.now()): number | undefined {
  const [, count, unit = ''] = RELATIVE.exec(text) ?? [];
  const length = UNITS[unit];
  return length === undefined ? undefined : now - Number(count) * length;
}

function badRange(text: string, checkpoint: CheckpointTime | undefined): BootyardError {
  const more = checkpoint ? ', or names of checkpoints' : '';
  return new BootyardError(
    'range',
    `'${text.slice(0, 80)}' is no range: expected is 'full' or '[start]:[end]' with times before now such as -30s, -5m, -2h or -1d${more} (examples: '-5m:', '-1h:-30m').`,
    { range: text },
  );
}
