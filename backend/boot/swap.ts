import type { BootPlan } from './plan.ts';

const FOLDERS = ['/sbin', '/usr/sbin', '/bin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'];

/** True when the image has what a node needs to use swap space of the server. */
export function canSwap({ tree }: BootPlan): boolean {
  return FOLDERS.some((folder) => tree.lookupPath(`${folder}/nbd-client`) !== 0);
}
