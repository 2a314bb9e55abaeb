/**
 * Does `work` with each item, `count` at a time, in their order. The first failure aborts the signal of the others and is
 * thrown when all have ended.
 */
export async function limited<T>(
  count: number,
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const both = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal;
  const queue = items.values();
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (both.aborted) return;
      try {
        await work(item, both);
      } catch (error) {
        failure ??= { error };
        ending.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  signal?.throwIfAborted();
  if (failure) throw failure.error;
}
