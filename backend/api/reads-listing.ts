import type { ImageUsage, NodeReads, ReadFile } from './reads.ts';
import { formatSeconds, formatSize, formatTable } from './text-table.ts';

/** Rows of a list that text has; JSON has all. */
const LISTED = 20;

export function readsText({ node, number, image, bootedMs, isCopied, reads }: NodeReads): string {
  const bytes = reads.reduce((sum, read) => sum + read.bytes, 0);
  const files = reads.filter(({ path }) => !path.endsWith('/'));
  const head = `${node}, boot ${number}: ${count(files.length, 'file')} of ${image} read, ${formatSize(bytes)}`;
  const early = files.filter(({ atMs }) => bootedMs !== null && atMs <= bootedMs).length;
  const title = bootedMs === null ? head : `${head}; ${early} before it was booted`;
  const note = isCopied
    ? '\nThe image went to the node whole: what it reads there is not seen from here.'
    : '';
  const table = formatTable(['at', 'read', 'waited', 'file'], reads.map(readRow));
  return `${title}${note}\n\n${table}`;
}

/** What was only listed has no bytes, what was in memory no wait. */
function readRow({ path, bytes, atMs, waitedMs }: ReadFile): string[] {
  const waited = waitedMs >= 0.05 ? formatMs(waitedMs) : '';
  return [formatSeconds(atMs), path.endsWith('/') ? 'listed' : formatSize(bytes), waited, `/${path}`];
}

export function imageUsageText(usage: ImageUsage): string {
  const { image, boots, all, read, needed } = usage;
  const left = leftOut(usage);
  if (boots === 0) return `No boot over the network that read ${image} is on record${left}.`;
  const share = all.bytes === 0 ? 0 : (read.bytes / all.bytes) * 100;
  const lines = [
    `${count(boots, 'boot')} of ${image}${left}.`,
    `Read: ${amount(read)} of ${amount(all)} (${share.toFixed(1)} % of the bytes).`,
    `Needed by each boot until it was booted, and read ahead: ${amount(needed)}.`,
    `The last boot waited ${formatMs(usage.waitedMs)} for the disk of this machine; reads side by side count each.`,
  ];
  const { largest, waitedFor } = usage;
  const sections = [
    largest.length === 0
      ? ''
      : formatTable(['at', 'read', 'waited', 'largest of them'], largest.map(readRow)),
    waitedFor.length === 0
      ? ''
      : formatTable(['at', 'read', 'waited', 'what it waited for'], waitedFor.map(readRow)),
    untouched('directories never touched', usage.untouchedDirectories),
    untouched('packages never touched', usage.untouchedPackages),
  ];
  return [lines.join('\n'), ...sections.filter((text) => text !== '')].join('\n\n');
}

function leftOut({ copied, older }: ImageUsage): string {
  const parts = [
    copied > 0 ? `${copied} that took the image whole` : '',
    older > 0 ? `${older} of what it was before` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (without ${parts.join(' and ')})`;
}

function untouched(title: string, list: ImageUsage['untouchedPackages']): string {
  if (list.length === 0) return '';
  const rows = list
    .slice(0, LISTED)
    .map(({ name, files, bytes }) => [formatSize(bytes), String(files), name]);
  const rest = list.length > LISTED ? `\n… and ${list.length - LISTED} more (--json lists all)` : '';
  return formatTable(['bytes', 'files', title], rows) + rest;
}

const formatMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
const amount = ({ files, bytes }: { files: number; bytes: number }): string =>
  `${count(files, 'file')}, ${formatSize(bytes)}`;
