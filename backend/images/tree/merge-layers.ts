import { flattenSteps } from './flatten.ts';
import type { LayerIndex } from './layer-index.ts';
import { MergeTree } from './merge.ts';
import { inSlices, type Steps } from './slices.ts';
import type { PackedTree } from './tree-arrays.ts';

/** Merges layer indexes, the lowest first, into one tree; the event loop goes on meanwhile. Throws the reason of `signal`. */
export function mergeInSlices(
  indexes: readonly LayerIndex[],
  id: bigint,
  signal?: AbortSignal,
): Promise<PackedTree> {
  return inSlices(mergeSteps(indexes, id), signal);
}

function* mergeSteps(indexes: readonly LayerIndex[], id: bigint): Steps<PackedTree> {
  const merge = new MergeTree();
  for (const [at, index] of indexes.entries()) yield* merge.applySteps(index, at + 1);
  return yield* flattenSteps(merge, undefined, id);
}
