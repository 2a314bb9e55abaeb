import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Machine } from './machine.ts';
import { TIMES, type SupervisorParts } from './parts.ts';
import type { NodeRecord } from './registry.ts';

/** Asks a node's own service to reboot it. True when the guest has ended its machine; throws the reason of `closing`. */
export async function softReboot(
  machine: Machine,
  { name, ip }: NodeRecord,
  parts: Pick<SupervisorParts, 'agent' | 'log'>,
  closing: AbortSignal,
): Promise<boolean> {
  try {
    await parts.agent.reboot(ip);
  } catch (error) {
    parts.log(`node ${name}: failed soft-reboot (${messageOf(error)}), trying hard-reboot`);
    return false;
  }
  parts.log(`node ${name} is down (cause: asked by its user, method: soft-reboot)`);
  const done = new AbortController();
  const late = delay(TIMES.softReboot, undefined, {
    signal: AbortSignal.any([done.signal, closing]),
  }).catch(() => undefined);
  const end = await Promise.race([machine.ended, late]);
  done.abort();
  closing.throwIfAborted();
  return end !== undefined;
}
