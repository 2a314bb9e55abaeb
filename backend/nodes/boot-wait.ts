import { BootyardError } from '../errors.ts';
import type { NodeInfo } from './info.ts';

type Awaited = NodeInfo & { isRemoved: boolean };

/**
 * Resolves when all nodes are booted, as `look` sees them at each call of a watcher. Throws `node.failed` as soon as one
 * has failed, is off or was removed, `node.timeout` when time is up (a negative time means none, as for WalT), and the
 * reason of `signal`.
 */
export function untilBooted(
  look: () => Awaited[],
  watchers: Set<() => void>,
  timeoutSeconds: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const check = () => {
    const nodes = look();
    const lost = nodes.find((node) => node.isRemoved || node.state === 'failed' || node.state === 'off');
    if (lost) reject(notComing(lost));
    else if (nodes.every((node) => node.state === 'booted')) resolve();
  };
  const abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  const limited = timeoutSeconds !== undefined && timeoutSeconds >= 0;
  const timer = limited
    ? setTimeout(() => reject(waitTimeout(look())), Math.min(timeoutSeconds * 1000, 2 ** 31 - 1))
    : undefined;
  watchers.add(check);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  check();
  return promise.finally(() => {
    clearTimeout(timer);
    watchers.delete(check);
    signal.removeEventListener('abort', abort);
  });
}

function notComing(node: NodeInfo): BootyardError {
  const what =
    node.state === 'failed' ? `Failed: node ${node.name} did not boot.` : `Node ${node.name} is off.`;
  return new BootyardError('node.failed', node.reason ? `${what} ${node.reason}` : what, { node: node.name });
}

function waitTimeout(nodes: NodeInfo[]): BootyardError {
  const pending = nodes.filter((node) => node.state !== 'booted');
  const list = pending.map((node) => `${node.name} (${node.state}${node.stage ? `, ${node.stage}` : ''})`);
  return new BootyardError('node.timeout', `Timeout was reached. Not booted: ${list.join(', ')}.`, {
    nodes: pending.map((node) => node.name),
  });
}
