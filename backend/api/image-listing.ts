import type { Result } from './contract.ts';
import type { ImageInfo } from './image.ts';
import type { ImageChange } from './image-operations.ts';
import { formatSize, formatTable, printable } from './text-table.ts';

const NONE = '<none>';

/** What `image lint` found, in a few words. */
export function checkText({ lint }: ImageInfo): string {
  if (!lint) return '-';
  const counted = (count: number, word: string): string[] =>
    count === 0 ? [] : [`${count} ${word}${count === 1 ? '' : 's'}`];
  return [...counted(lint.errors, 'error'), ...counted(lint.warnings, 'warning')].join(', ') || 'ok';
}

/** All that is known of each image, a block of lines for each. */
export function imageDetails(images: ImageInfo[]): string {
  return images.map((image) => block(detailsOf(image))).join('\n\n');
}

function detailsOf(image: ImageInfo): [string, string][] {
  const shared = image.sizeBytes - image.ownBytes;
  const labels = Object.entries(image.labels).map(([key, value]) => `${key}=${value}`);
  const unnamed = 'a node that runs on it, or a snapshot';
  return [
    ['name', image.name || NONE],
    ['id', image.id.slice(0, 12)],
    ['created', timeText(image.created)],
    ['cloned from', image.origin ?? '-'],
    [
      'size',
      `${formatSize(image.sizeBytes)} (own ${formatSize(image.ownBytes)}, shared ${formatSize(shared)})`,
    ],
    ['layers', String(image.layers)],
    ['compatibility', image.models.join(',') || '-'],
    ['check', checkText(image)],
    ['used by', image.name === '' ? unnamed : image.nodes.join(', ') || '-'],
    ...labels.map((label, at): [string, string] => [at === 0 ? 'labels' : '', label]),
  ];
}

/** Lines of a name and a value. */
function block(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

export function historyTable(steps: Result<'image.history'>): string {
  const header = ['layer', 'created', 'size', 'created by', 'shared with'];
  const rows = steps.map((step) => [
    step.layer === null ? '-' : String(step.layer),
    step.created === '' ? '-' : timeText(step.created),
    step.layer === null ? '-' : formatSize(step.sizeBytes),
    shortened(step.createdBy || step.comment || '-'),
    step.sharedWith.join(',') || '-',
  ]);
  return formatTable(header, rows);
}

/** Builders put whole scripts there. */
function shortened(text: string): string {
  const line = printable(text.replace(/\s+/g, ' '));
  return line.length > 70 ? `${line.slice(0, 69)}…` : line;
}

export function usageText(usage: Result<'image.df'>): string {
  const { images, shared, own, unnamed, unreferenced, partialBytes, derivedBytes } = usage;
  const row = (name: string, bytes: number, what: string): string[] => [name, formatSize(bytes), what];
  const layers = (count: number): string => (count === 1 ? '1 layer' : `${count} layers`);
  const rows = [
    row('images', images.bytes, `layers of ${images.count} images, each counted once`),
    row('- shared', shared.bytes, `${layers(shared.count)} of several images`),
    row('- own', own.bytes, `${layers(own.count)} of one image`),
    row('unnamed', unnamed.bytes, `${unnamed.count} images without a name, of running nodes or snapshots`),
    row(
      'unreferenced',
      unreferenced.bytes,
      `${unreferenced.count} files that no image needs (bootyard image gc)`,
    ),
    row('partial', partialBytes, 'imports and other work under way'),
    row('derived', derivedBytes, 'indexes, trees, checksums, descriptions'),
  ];
  return formatTable(['part', 'size', 'what'], rows);
}

export function changesText(diff: Result<'image.diff'>, by: string): string {
  const { count, totals, changes } = diff;
  let layer: number | null | undefined;
  const lines = changes.flatMap((change) => {
    const head = by === 'layer' && change.layer !== layer ? [`layer ${change.layer ?? '-'}:`] : [];
    layer = change.layer;
    return [...head, changeLine(change)];
  });
  const more = count > changes.length ? [`... and ${count - changes.length} more`] : [];
  const { A, M, D } = totals;
  const summary =
    `${A.count} added (${formatSize(A.bytes)}), ${M.count} modified (${formatSize(M.bytes)}), ` +
    `${D.count} deleted (${formatSize(D.bytes)}).`;
  return [...lines, ...more, summary].join('\n');
}

function changeLine({ path, kind, type, sizeBytes, oldSizeBytes, layer, aspects }: ImageChange): string {
  const size = type === 'file' ? formatSize(sizeBytes) : type;
  const grown = kind === 'M' && type === 'file' && oldSizeBytes !== null && oldSizeBytes !== sizeBytes;
  const notes = [...aspects, ...(grown ? [`${formatSize(oldSizeBytes)} before`] : [])];
  const slash = type === 'directory' && path !== '/' ? '/' : '';
  const note = notes.length > 0 ? `  (${notes.join(', ')})` : '';
  return `${kind}  ${size.padStart(9)}  ${String(layer ?? '-').padStart(3)}  ${printable(path)}${slash}${note}`;
}

/** UTC, to the second. */
export function timeText(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}
