import { escapedText } from '../../images/files/escaped-name.ts';
import type { Repair } from '../../images/files/repair.ts';
import { MAX_REPAIRED } from '../../images/files/repair-layer.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';

/** Hits of one rule that are repaired at once. */
const MAX_HITS = 10_000;

/** The change that makes a program executable, when that is all it lacks. */
export function executable(image: LintImage, path: string): Repair | undefined {
  const isProgram = /^(\x7fELF|#!)/.test(image.head(path, 4).toString('latin1'));
  if (!isProgram || image.size(path) > MAX_REPAIRED) return undefined;
  const { mode } = image.tree.stat(image.tree.lookupPath(path));
  return (mode & 0o111) === 0 ? { do: 'mode', path, mode: mode | 0o111 } : undefined;
}

/** A hit whose repair has its paths as `escapedText` writes them. */
export function escaped(hit: Hit): Hit {
  const { repair } = hit;
  if (!repair || repair.do === 'label') return hit;
  const text = (latin1: string): string => escapedText(Buffer.from(latin1, 'latin1'));
  const path = text(repair.path);
  if (repair.do !== 'link') return { ...hit, repair: { ...repair, path } };
  return { ...hit, repair: { ...repair, path, target: text(repair.target) } };
}

/** All that some rules find in an image, as `escaped`, with the rule's id. Throws the reason of the image's signal. */
export async function hitsOf(image: LintImage, rules: readonly Rule[]): Promise<(Hit & { rule: string })[]> {
  const hits: (Hit & { rule: string })[] = [];
  for (const { id, check } of rules) {
    await image.turn();
    let count = 0;
    for await (const hit of check(image)) {
      if (++count > MAX_HITS) break;
      const path = Buffer.from(hit.path, 'latin1').toString('utf8');
      hits.push({ ...escaped(hit), rule: id, path });
    }
  }
  return hits;
}
