import { BootyardError } from '../errors.ts';
import type { Paths } from '../state/paths.ts';
import { labState, type LabProcesses } from './lab-state.ts';

/**
 * What to start on the host to run `command` inside the lab, in `folder` there: as root of the lab, with the caller's
 * environment and terminal. For root and for the plain user whose lab it is; the daemon may ask for it too.
 * Throws `lab.stopped` when folders are given whose lab does not run.
 */
export function enterArgv(lab: Paths | LabProcesses, command: readonly string[], folder = '/'): string[] {
  const { keeper } = 'keeper' in lab ? lab : processesOf(lab);
  const namespaces = ['--user', '--preserve-credentials', '--net', '--mount', '--pid'];
  // nsenter's own --wdns is too young for the distributions we serve, and --wd names a folder of the outer namespace.
  const inFolder = ['sh', '-c', 'cd "$0" && exec "$@"', folder, ...command];
  return ['nsenter', '--target', String(keeper), ...namespaces, '--', ...inFolder];
}

function processesOf(paths: Paths): LabProcesses {
  const state = labState(paths);
  if (state.state === 'running') return state;
  throw new BootyardError('lab.stopped', 'The lab is not running: start it with "bootyard lab start".');
}
