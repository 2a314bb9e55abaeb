import type { Timeline } from '../../backend/api/boots.ts';

const BAR_WIDTH = 40;

/** A boot timeline as text: a line per stage with start, duration and a bar to scale, then what happened in each. */
export function timelineText(timeline: Omit<Timeline, 'steps' | 'image' | 'number' | 'reason'>): string {
  const { node, startedAt, outcome, totalMs, stages } = timeline;
  const width = Math.max(5, ...stages.map((stage) => stage.name.length));
  const rows = stages.map(({ name, startMs, durationMs }) =>
    [name.padEnd(width), seconds(startMs), seconds(durationMs), bar(startMs, durationMs, totalMs)]
      .join('  ')
      .trimEnd(),
  );
  const head = ['stage'.padEnd(width), 'start'.padStart(8), 'took'.padStart(8)].join('  ');
  const details = stages.flatMap(({ name, detail }) =>
    detailLines(detail).map((line, n) => [n === 0 ? name : '', line]),
  );
  return [
    `Boot of ${node}, ${startedAt}: ${outcome}, ${seconds(totalMs).trim()}`,
    '',
    head,
    ...rows,
    '',
    ...details.map(([name = '', line]) => `${name.padEnd(width)}  ${line}`),
    '',
  ].join('\n');
}

/** The events of a stage, which come joined by semicolons. */
function detailLines(detail: string): string[] {
  return detail.split('; ').filter((line) => line !== '');
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`.padStart(8);
}

function bar(start: number, duration: number, total: number): string {
  if (total <= 0) return ' '.repeat(BAR_WIDTH);
  const from = Math.min(BAR_WIDTH - 1, Math.floor((start / total) * BAR_WIDTH));
  const length = Math.min(BAR_WIDTH - from, Math.max(1, Math.round((duration / total) * BAR_WIDTH)));
  return (' '.repeat(from) + '█'.repeat(length)).padEnd(BAR_WIDTH);
}
