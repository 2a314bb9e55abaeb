import type { NodeReads } from '../reads.ts';
import type { LinePattern } from './file.ts';
import { PatternWatch } from './pattern-watch.ts';

/** What was expected of the files that a boot reads, and is not so, by the number of the pattern. */
export function wrongReads(
  patterns: readonly LinePattern[],
  { image, isCopied, reads }: NodeReads,
): { index: number; message: string }[] {
  if (patterns.length === 0) return [];
  const watch = new PatternWatch(patterns);
  for (const { path } of reads) watch.look(`/${path}`);
  const wrong = patterns.flatMap(({ seen, never }, index) => {
    const path = watch.found(index);
    if ((path === undefined) === (seen === undefined)) return [];
    const message =
      path === undefined
        ? `No file that the node has read matches /${seen}/; it has read ${reads.length} files of ${image}.`
        : `The node has read what it never may: '${path}' matches /${never}/.`;
    return [{ index, message }];
  });
  if (!isCopied || wrong.length > 0) return wrong;
  const message = `Image ${image} went to the node's disk whole: what is read there is not seen.`;
  return [{ index: 0, message }];
}
