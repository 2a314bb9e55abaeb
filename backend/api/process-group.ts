import type { ChildProcess } from 'node:child_process';

/** Ends a program that was started `detached`, with all that it has started: what enters the lab's namespaces forks. */
export function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended.
  }
}
