import type { BootReadRecord } from '../state/read-records.ts';

/** Files that each of these boots read before it was booted, in the order of the last one's reads. */
export function neededPaths(boots: readonly BootReadRecord[]): string[] {
  const [last, ...others] = boots.filter(({ bootedMs, isCopied }) => bootedMs !== null && !isCopied);
  if (!last) return [];
  const sets = others.map((boot) => new Set(neededBy(boot)));
  return neededBy(last).filter((path) => sets.every((set) => set.has(path)));
}

function neededBy({ reads, bootedMs }: BootReadRecord): string[] {
  return reads.filter(({ atMs }) => atMs <= (bootedMs ?? 0)).map(({ path }) => path);
}
