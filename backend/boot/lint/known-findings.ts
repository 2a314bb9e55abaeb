import type { Finding } from './finding.ts';

/** How many findings of each severity an image has. */
export interface LintCounts {
  errors: number;
  warnings: number;
  infos: number;
}

/** Images whose counts are kept, and those whose findings are: a hostile image has some hundreds. */
const COUNTED = 5000;
const KEPT = 50;

/** What was found in images, by their ids; an id stands for one content, so it stays true. Bounded: the oldest go. */
export class KnownFindings {
  readonly #counts = new Map<string, LintCounts>();
  readonly #findings = new Map<string, readonly Finding[]>();

  put(id: string, findings: readonly Finding[]): void {
    const count = (severity: Finding['severity']): number =>
      findings.filter((finding) => finding.severity === severity).length;
    const counts = { errors: count('error'), warnings: count('warning'), infos: count('info') };
    putBounded(this.#counts, id, counts, COUNTED);
    putBounded(this.#findings, id, findings, KEPT);
  }

  counts(id: string): LintCounts | undefined {
    return this.#counts.get(id);
  }
  findings(id: string): readonly Finding[] | undefined {
    return this.#findings.get(id);
  }
}

function putBounded<T>(map: Map<string, T>, id: string, value: T, limit: number): void {
  map.delete(id);
  map.set(id, value);
  const [oldest] = map.keys();
  if (map.size > limit && oldest !== undefined) map.delete(oldest);
}
