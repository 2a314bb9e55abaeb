import { availableParallelism, setPriority } from 'node:os';

/** Puts this process, and all that it starts, before other work of the machine; only root may. */
export function beforeOthers(): void {
  try {
    setPriority(-15);
  } catch {
    // The figures are then noisier, for us and for the peers alike.
  }
}

/** A command on one processor of its own, if the machine has two: where the scheduler puts both ends decides much. */
export function onProcessor(index: 0 | 1, argv: string[]): string[] {
  return availableParallelism() > 1 ? ['taskset', '-c', String(index), ...argv] : argv;
}
