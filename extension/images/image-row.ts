import type { ImageInfo } from '../../backend/api/image.ts';
import { ago } from '../nodes/node-row.ts';
import { escapeMarkdown } from '../ui/markdown.ts';

export interface ImageRow {
  readonly label: string;
  readonly description: string;
  readonly icon: string;
  readonly contextValue: string;
  readonly accessibleLabel: string;
}

export function imageRow(image: ImageInfo): ImageRow {
  const users = image.nodes.length;
  const used = users === 0 ? '' : `used by ${users} ${users === 1 ? 'node' : 'nodes'}`;
  const parts = [bytes(image.sizeBytes), used].filter((part) => part !== '');
  return {
    label: image.name,
    description: parts.join(' · '),
    icon: image.inUse ? 'layers-active' : 'layers',
    contextValue: image.inUse ? 'image+inUse' : 'image',
    accessibleLabel: [image.name, ...parts].join(', '),
  };
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

/** The tooltip's Markdown: labels, id, models and who boots it. `now` in ms since 1970. */
export function imageTooltip(image: ImageInfo, now: number): string {
  const created = Date.parse(image.created);
  const facts: [string, string][] = [
    ['Id', image.id.slice(0, 12)],
    ['Size', `${bytes(image.sizeBytes)} in ${layers(image.layers)}`],
    ['Models', image.models.join(', ') || 'none'],
    ['Nodes', image.nodes.join(', ') || 'none'],
    ...(Number.isNaN(created) ? [] : [['Created', ago(now - created)] satisfies [string, string]]),
    ...Object.entries(image.labels),
  ];
  const lines = facts.map(([name, value]) => `| ${escapeMarkdown(name)} | ${escapeMarkdown(value)} |`);
  return [`**${escapeMarkdown(image.name)}**`, '', '| | |', '|:--|:--|', ...lines].join('\n');
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
