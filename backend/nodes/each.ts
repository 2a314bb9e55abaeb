import { BootyardError, messageOf } from '../errors.ts';
import type { NodeSupervisor } from './supervisor.ts';

/** Does the work for all, and then throws what went wrong: one error as it is, several as one sentence per node. */
export async function each(
  chosen: NodeSupervisor[],
  work: (supervisor: NodeSupervisor) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(chosen.map((supervisor) => work(supervisor)));
  const failures = results.flatMap((result, index) =>
    result.status === 'rejected'
      ? [{ name: chosen[index]?.record.name ?? '', error: result.reason as unknown }]
      : [],
  );
  const [first, ...others] = failures;
  if (!first) return;
  if (others.length === 0 && chosen.length === 1) throw first.error;
  const sentences = failures.map(({ name, error }) => `${name}: ${messageOf(error)}`);
  throw new BootyardError('node.failed', sentences.join('\n'), { nodes: failures.map(({ name }) => name) });
}
