import type { BootStep, BootSummary, Timeline } from '../../backend/api/boots.ts';
import { formatSeconds, formatSize } from '../../backend/api/text-table.ts';
import type { Step, ToPage } from './messages.ts';

/** What the page shows of a boot, maybe beside another one. */
export function timelineView(
  mac: string,
  timeline: Timeline,
  boots: readonly BootSummary[],
  other: Timeline | undefined,
): ToPage {
  const { node, number, outcome, totalMs, reason, stages, image } = timeline;
  return {
    type: 'show',
    mac,
    title: `Boot ${number} of ${node} on ${image}: ${outcome}, ${formatSeconds(totalMs)}`,
    notice: reason ?? '',
    isFault: outcome === 'failed',
    boots: boots.map((boot) => ({ number: boot.number, label: labelOf(boot) })),
    number,
    totalMs,
    stages,
    steps: timeline.steps.map(stepView),
    ...(other && { other: { number: other.number, totalMs: other.totalMs, stages: other.stages } }),
  };
}

/** What the page shows instead of a boot. */
export function emptyView(mac: string, title: string, notice: string): ToPage {
  return {
    type: 'show',
    mac,
    title,
    notice,
    isFault: false,
    boots: [],
    number: 0,
    totalMs: 0,
    stages: [],
    steps: [],
  };
}

function labelOf({ number, outcome, totalMs, startedAt, image }: BootSummary): string {
  const time = startedAt.slice(0, 19).replace('T', ' ');
  return `${number}: ${outcome}, ${formatSeconds(totalMs)}, ${image}, ${time}`;
}

function stepView(step: BootStep): Step {
  const { kind, stage, name, startMs, durationMs, detail, bytes, resent, isFault = false } = step;
  const rate =
    bytes === undefined || durationMs < 1 ? '' : ` at ${formatSize((bytes / durationMs) * 1000)}/s`;
  const parts = [
    bytes === undefined ? '' : `${formatSize(bytes)}${rate}`,
    resent === undefined ? '' : `${resent} blocks sent again`,
    detail,
  ];
  const text = parts.filter((part) => part !== '').join(', ');
  return {
    kind,
    stage,
    name,
    startMs,
    durationMs,
    detail: text,
    isFault,
    canOpen: leadsTo(step) !== undefined,
  };
}

/** What a step is about that can be shown; undefined for what is neither in the image, nor on the console, nor a packet. */
export function leadsTo({ kind, path }: BootStep): 'file' | 'console' | 'packet' | undefined {
  if (kind === 'file') return imagePath('', path) === undefined ? 'packet' : 'file';
  if (kind === 'console' || kind === 'walt-init') return 'console';
  return kind === 'dhcp' || kind === 'mount' || kind === 'nfs' ? 'packet' : undefined;
}

/** Where in its image a file is that a node of this model asked for: boot files are those of /boot/<model>. */
export function imagePath(model: string, path: string | undefined): string | undefined {
  if (path === undefined || path.includes('..')) return undefined;
  const name = path.replace(/^\/(boot\/)?/, '');
  return name === '' ? undefined : `/boot/${model}/${name}`;
}
