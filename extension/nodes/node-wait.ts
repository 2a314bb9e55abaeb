import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabConnection } from '../daemon/connection.ts';

/**
 * Resolves when the node with this MAC is as `wanted` and the daemon answers. Rejects with a sentence when the node was
 * removed or the lab was stopped, and when `signal` is aborted.
 */
export function whenNode(
  connection: LabConnection,
  mac: string,
  wanted: (node: NodeInfo) => boolean,
  signal: AbortSignal,
): Promise<NodeInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<NodeInfo>();
  const look = (): void => {
    if (connection.state === 'stopped') reject(new BootyardError('lab.notRunning', 'The lab was stopped.'));
    if (connection.state !== 'running') return;
    const node = connection.model.node(mac);
    if (!node) reject(new BootyardError('node.unknown', 'The node was removed.'));
    else if (wanted(node)) resolve(node);
  };
  const abort = (): void => reject(new BootyardError('call.cancelled', 'The terminal was closed.'));
  const subscriptions = [connection.model.onChanged(look), connection.onState(look)];
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  look();
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    for (const subscription of subscriptions) subscription.dispose();
  });
}
