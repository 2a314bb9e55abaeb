/**
 * The arguments of unshare(1) that make a lab's namespaces but that of its network, which the launcher makes a moment
 * later; the program to run in them follows. Root gets a user namespace as everybody does: what works in a test run by root
 * then works for a plain user.
 */
export const UNSHARE_ARGUMENTS: readonly string[] = [
  '--user',
  '--map-root-user',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--',
];
