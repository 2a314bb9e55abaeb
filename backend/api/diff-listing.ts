import type { Result } from './contract.ts';
import { printable } from './printable.ts';

type Diff = Pick<Result<'node.diff'>, 'changes' | 'count' | 'image'>;

/** What a node has changed on its image, a line for each path, for people; `sizeText` writes bytes. */
export function diffListing({ changes, count }: Diff, sizeText: (bytes: number) => string): string[] {
  const lines = changes.map(({ kind, path, type, sizeBytes }) => {
    const size = type === 'file' && kind !== 'D' ? sizeText(sizeBytes) : type === 'file' ? '' : type;
    return `${kind}  ${size.padStart(9)}  ${printable(path)}${type === 'directory' ? '/' : ''}`;
  });
  const more = count > changes.length ? [`... and ${count - changes.length} more`] : [];
  return [...lines, ...more];
}

/** How many paths there are of each kind, and the bytes that an image of them takes. */
export function diffSummary(
  node: string,
  { changes, image }: Diff,
  sizeText: (bytes: number) => string,
): string {
  const bytes = changes.reduce((sum, { kind, sizeBytes }) => sum + (kind === 'D' ? 0 : sizeBytes), 0);
  const number = (kind: string) => changes.filter((change) => change.kind === kind).length;
  const parts = [`${number('A')} added`, `${number('M')} modified`, `${number('D')} deleted`];
  return `${node} differs from '${image}': ${parts.join(', ')}; ${sizeText(bytes)}.`;
}
