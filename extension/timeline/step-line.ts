// The line of a text that a step of a boot is about: of its console with times, or of its packets.
import type { BootStep, Timeline } from '../../backend/api/boots.ts';

type Step = Pick<BootStep, 'kind' | 'name' | 'startMs' | 'path'>;
interface Line {
  /** ms since power-on */
  ms: number;
  text: string;
}

/** Index of the line, 0 for the first; undefined when the console is not kept from that time. Lines are `<ISO time> <text>`. */
export function consoleLine(
  lines: readonly string[],
  step: Step,
  { startedAt }: Pick<Timeline, 'startedAt'>,
): number | undefined {
  const start = Date.parse(startedAt);
  const isOfStep = (text: string): boolean => step.name !== '' && text.includes(step.name);
  return nearest(lines, step, isOfStep, (line) => {
    const [, time = '', text = ''] = /^(\S+) (.*)$/.exec(line) ?? [];
    return { ms: Date.parse(time) - start, text };
  });
}

/** The same in a packet list: lines of `node.packets`. Undefined when there is no packet of the step's protocol. */
export function packetLine(lines: readonly string[], step: Step): number | undefined {
  return nearest(lines, step, packetsOf(step), (line) => {
    const [, seconds = '', text = ''] = /^ *\d+ +(-?[\d.]+) +\S+ > \S+ +(.*)$/.exec(line) ?? [];
    return { ms: Number(seconds || NaN) * 1000, text };
  });
}

function packetsOf({ kind, name, path = '' }: Step): (text: string) => boolean {
  if (kind === 'dhcp') return (text) => text.startsWith('DHCP ') && text.includes(` ${word(name)} `);
  if (kind === 'mount') return (text) => text.startsWith('MOUNT ');
  if (kind === 'file') return (text) => /^(?:TFTP|HTTP) /.test(text) && text.includes(path);
  return (text) => text.startsWith('NFS');
}
/** Of a step's name `DISCOVER: OFFER 192.0.2.1` the message. */
const word = (name: string): string => name.replace(/:.*/, '');

function nearest(
  lines: readonly string[],
  { startMs }: Step,
  matches: (text: string) => boolean,
  parse: (line: string) => Line,
): number | undefined {
  let best: { index: number; distance: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const { ms, text } = parse(line);
    const distance = Math.abs(ms - startMs);
    // A line without a time is none of the boot's.
    if (Number.isNaN(distance) || !matches(text)) continue;
    if (!best || distance < best.distance) best = { index, distance };
  }
  return best?.index;
}
