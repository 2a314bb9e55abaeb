import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import type { Paths } from '../state/paths.ts';
import { labFiles } from './lab-state.ts';

/**
 * Asks the host's side of the lab (the launcher's waiting shell) to start the process that opens ports of the host.
 * Answers false when nobody is there to hear it.
 */
export function ringHost(paths: Paths): boolean {
  try {
    const bell = openSync(labFiles(paths).bell, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(bell, '\n');
      return true;
    } finally {
      closeSync(bell);
    }
  } catch (error) {
    // Nobody reads; or so many rings wait that one more changes nothing.
    if (systemCode(error) === 'EAGAIN') return true;
    if (systemCode(error) === 'ENXIO' || systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
