import { readFileSync } from 'node:fs';
import { hostProc } from './host-process.ts';

/** TCP_LISTEN in the fourth column of /proc/net/tcp (proc_net_tcp(5)). */
const LISTEN = '0A';

/**
 * TCP ports that something listens on in the host's network, also for a caller in the lab. Empty where the host does not
 * show it to us; a port that is taken is then found out when it is opened.
 */
export function hostListeners(): Set<number> {
  return new Set(['tcp', 'tcp6'].flatMap((table) => listeners(`${hostProc()}/1/net/${table}`)));
}

function listeners(file: string): number[] {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return state === LISTEN ? [Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)] : [];
  });
}
