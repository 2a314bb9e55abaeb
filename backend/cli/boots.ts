import { InvalidArgumentError, type Command } from 'commander';
import type { BootStep, BootSummary, ExplainedBoot, ImageBoots, Timeline } from '../api/boots.ts';
import type { Session } from './session.ts';
import { formatSeconds, formatSize, formatTable } from './table.ts';

interface TimelineOptions {
  json?: boolean;
  steps?: boolean;
  compare?: number;
}

export function addNodeBootVerbs(node: Command, session: Session): void {
  node
    .command('boots')
    .description('list the boots of a node that are on record, the last first')
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const boots = await lab.call('node.boots', { node: name });
        if (json) session.printJson(boots);
        else session.print(boots.length === 0 ? `${name} has not been booted yet.` : bootTable(boots));
      }),
    );
  node
    .command('timeline')
    .description('show the stages of the last boot, or of the one with that number in `node boots`')
    .argument('<node>')
    .argument('[boot]', 'its number', bootNumber)
    .option('--steps', 'with what happened in each stage: messages, files, lines of the console')
    .option('--compare <boot>', 'beside the stages of another boot of the node', bootNumber)
    .option('--json', 'print JSON')
    .action((name: string, boot: number | undefined, options: TimelineOptions) =>
      session.withLab(async (lab) => {
        const { json, steps, compare } = options;
        const timeline = await lab.call('node.timeline', { node: name, boot });
        const other =
          compare === undefined ? undefined : await lab.call('node.timeline', { node: name, boot: compare });
        if (json) session.printJson(other ? [timeline, other] : timeline);
        else if (other) session.print(comparison(timeline, other));
        else session.print(steps ? stepListing(timeline) : describe(timeline));
      }),
    );
  node
    .command('explain')
    .description(
      'say where and why the last boot stopped, or the one with that number in `node boots`, on what that rests, and what to do',
    )
    .argument('<node>')
    .argument('[boot]', 'its number', bootNumber)
    .option('--json', 'print JSON')
    .action((name: string, boot: number | undefined, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const explained = await lab.call('node.explain', { node: name, boot });
        if (json) session.printJson(explained);
        else session.print(describeExplained(explained));
      }),
    );
}

export function addImageBootVerb(image: Command, session: Session): void {
  image
    .command('boots')
    .description('show how long nodes take to boot an image: median and spread of each stage, and the boots')
    .argument('<image>')
    .option('--json', 'print JSON')
    .action((name: string, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const boots = await lab.call('image.boots', { image: name });
        if (json) session.printJson(boots);
        else session.print(describeImage(boots));
      }),
    );
}

function describeExplained(boot: ExplainedBoot): string {
  const { node, number, outcome, stage, reason, explanation } = boot;
  if (!explanation) {
    const where = outcome === 'going on' ? ` at ${stage}` : '';
    return `Boot ${number} of ${node}: ${outcome}${where}${reason === null ? '; nothing is known to be wrong.' : `. ${reason}`}`;
  }
  const { cause, sentence, evidence } = explanation;
  const rows = evidence.map(({ kind, text }) => [kind, text]);
  const table = rows.length === 0 ? '' : `\n\n${formatTable(['evidence', ''], rows)}`;
  return `${sentence}\n\nBoot ${number} of ${node}: ${outcome}; cause: ${cause}${table}`;
}

export function bootNumber(word: string): number {
  if (!/^[1-9]\d{0,8}$/.test(word)) throw new InvalidArgumentError('A boot is a number of `node boots`.');
  return Number(word);
}

function bootTable(boots: readonly BootSummary[], withNode = false): string {
  const hasReason = boots.some(({ reason }) => reason !== null);
  const header = [
    ...(withNode ? ['node'] : []),
    ...['boot', 'image', 'power-on', 'outcome', 'took'],
    ...(hasReason ? ['reason'] : []),
  ];
  const rows = boots.map(({ node, number, image, startedAt, outcome, totalMs, reason }) => [
    ...(withNode ? [node] : []),
    ...[String(number), image, startedAt, outcome, formatSeconds(totalMs)],
    reason ?? '',
  ]);
  return formatTable(header, rows);
}

function titleOf({ node, number, outcome, totalMs, startedAt, reason }: Timeline): string {
  const why = reason === null ? '' : `\n${reason}`;
  return `${node}, boot ${number}: ${outcome}, ${formatSeconds(totalMs)} since power-on at ${startedAt}${why}`;
}

function describe(timeline: Timeline): string {
  // A stage's parts one below the other: one line of them all fits on no terminal.
  const rows = timeline.stages.flatMap((stage) => {
    const [first = '', ...others] = stage.detail.split('; ');
    const times = [formatSeconds(stage.startMs), formatSeconds(stage.durationMs)];
    return [[stage.name, ...times, first], ...others.map((part) => ['', '', '', part])];
  });
  return `${titleOf(timeline)}\n\n${formatTable(['stage', 'start', 'duration', 'detail'], rows)}`;
}

function stepListing(timeline: Timeline): string {
  const rows = timeline.steps.map((step, index) => {
    const isFirst = timeline.steps[index - 1]?.stage !== step.stage;
    const took = step.durationMs === 0 ? '' : milliseconds(step.durationMs);
    return [isFirst ? step.stage : '', milliseconds(step.startMs), took, describeStep(step)];
  });
  return `${titleOf(timeline)}\n\n${formatTable(['stage', 'start', 'took', 'step'], rows)}`;
}

function describeStep({ name, bytes, durationMs, resent, detail }: BootStep): string {
  const rate = bytes === undefined || durationMs < 1 ? '' : ` (${formatSize((bytes / durationMs) * 1000)}/s)`;
  const parts = [
    name,
    bytes === undefined ? '' : `${formatSize(bytes)}${rate}`,
    resent === undefined ? '' : `${resent} blocks sent again`,
    detail,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

const milliseconds = (ms: number): string => `${Math.round(ms)} ms`;

function comparison(one: Timeline, other: Timeline): string {
  const names = [...new Set([...one.stages, ...other.stages].map(({ name }) => name))];
  const timeIn = ({ stages }: Timeline, stage: string): number | undefined =>
    stages.find(({ name }) => name === stage)?.durationMs;
  const row = (name: string, mine: number | undefined, theirs: number | undefined): string[] => [
    name,
    mine === undefined ? '' : formatSeconds(mine),
    theirs === undefined ? '' : formatSeconds(theirs),
    mine === undefined || theirs === undefined ? '' : signed(mine - theirs),
  ];
  const rows = names.map((name) => row(name, timeIn(one, name), timeIn(other, name)));
  const header = ['stage', `boot ${one.number}`, `boot ${other.number}`, 'difference'];
  const total = row('total', one.totalMs, other.totalMs);
  return `${titleOf(one)}\n${titleOf(other)}\n\n${formatTable(header, [...rows, total])}`;
}

const signed = (ms: number): string => `${ms < 0 ? '-' : '+'}${formatSeconds(Math.abs(ms))}`;

function describeImage({ image, spread, boots }: ImageBoots): string {
  if (boots.length === 0) return `No boot on image ${image} is on record.`;
  const rows = spread.map(({ name, boots: count, medianMs, p95Ms }) => [
    name,
    String(count),
    formatSeconds(medianMs),
    formatSeconds(p95Ms),
  ]);
  const table = formatTable(['stage', 'boots', 'median', '95 %'], rows);
  const times = rows.length === 0 ? `No boot on image ${image} has got booted yet.` : table;
  return `${times}\n\n${bootTable(boots, true)}`;
}
