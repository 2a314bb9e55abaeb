import type { Finding, ImageInfo } from '../../backend/api/image.ts';
import { checkText } from '../../backend/api/image-listing.ts';
import type { ShownImage } from './image-groups.ts';
import { ago } from '../nodes/node-row.ts';
import { escapeMarkdown } from '../ui/markdown.ts';

export interface ImageRow {
  readonly label: string;
  readonly description: string;
  readonly icon: string;
  /** of the icon and the label, when the check found something */
  readonly color: string | undefined;
  /** nodes that boot it */
  readonly users: number;
  readonly contextValue: string;
  readonly accessibleLabel: string;
}

export function imageRow(image: ShownImage): ImageRow {
  const users = image.nodes.length;
  const used = users === 0 ? '' : `used by ${users} ${users === 1 ? 'node' : 'nodes'}`;
  const found = color(image) === undefined ? '' : checkText(image);
  const parts = [bytes(image.sizeBytes), used, found].filter((part) => part !== '');
  return {
    label: image.name,
    description: parts.join(' · '),
    icon: image.inUse ? 'layers-active' : 'layers',
    color: color(image),
    users,
    contextValue: image.engine ? 'engineImage' : image.inUse ? 'image+inUse' : 'image',
    accessibleLabel: [image.name, ...parts].join(', '),
  };
}

function color({ lint }: ImageInfo): string | undefined {
  if (!lint) return undefined;
  if (lint.errors > 0) return 'list.errorForeground';
  return lint.warnings > 0 ? 'list.warningForeground' : undefined;
}

function layers(count: number): string {
  return `${count} ${count === 1 ? 'layer' : 'layers'}`;
}

/** Size in the units of file managers: powers of 1000, one decimal below ten. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Findings that a tooltip has room for. */
const SHOWN = 5;

/** The tooltip's Markdown: id, sizes, models, who boots it, labels, what the check found. `now` in ms since 1970. */
export function imageTooltip(image: ImageInfo, now: number, findings: readonly Finding[] = []): string {
  const created = Date.parse(image.created);
  const facts: [string, string][] = [
    ['Id', image.id.slice(0, 12)],
    ['Size', `${bytes(image.sizeBytes)} in ${layers(image.layers)}`],
    ['Of these', `own ${bytes(image.ownBytes)}, shared ${bytes(image.sizeBytes - image.ownBytes)}`],
    ['Models', image.models.join(', ') || 'none'],
    ['Nodes', image.nodes.join(', ') || 'none'],
    ['Check', image.lint ? checkText(image) : 'not yet'],
    ...(image.origin === undefined ? [] : [['Cloned from', image.origin] satisfies [string, string]]),
    ...(Number.isNaN(created) ? [] : [['Created', ago(now - created)] satisfies [string, string]]),
    ...Object.entries(image.labels),
  ];
  const lines = facts.map(([name, value]) => `| ${escapeMarkdown(name)} | ${escapeMarkdown(value)} |`);
  const said = findings.slice(0, SHOWN).map(({ severity, message }) => {
    return `- $(${severity}) ${escapeMarkdown(message)}`;
  });
  const more = findings.length > SHOWN ? [`- and ${findings.length - SHOWN} more`] : [];
  const title = `**${escapeMarkdown(image.name)}**`;
  return [title, '', '| | |', '|:--|:--|', ...lines, '', ...said, ...more].join('\n').trimEnd();
}

/** What is wrong with a new image's name by WalT's rule (`name` or `name:tag`), one sentence; undefined when nothing is. */
export function imageNameProblem(name: string): string | undefined {
  if (name === '') return 'An image needs a name.';
  if (name === 'default') return '"default" is a reserved word: choose another name.';
  if (/^[a-z0-9-]+(:[a-z0-9-]+)?$/.test(name)) return undefined;
  return 'An image name is <name> or <name>:<tag>, of small letters, digits and dashes.';
}

/** A name to propose for the image in a file. */
export function imageNameFor(path: string): string {
  const file = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return file
    .replace(/\.(tar|tar\.gz|tgz|tar\.zst|tar\.xz|oci)$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}
