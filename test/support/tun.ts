import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { systemCode } from '../../backend/errors.ts';

const DEVICE = '/dev/net/tun';
/** The device's own mode, while it is another. */
const KEPT = '/tmp/bootyard-test-tun-mode';
/** Names of the users that tests make. */
const TEST_USER = /^by(?:user|lab)\d+:/m;

/** Opens taps to everybody, for a test that has just made a user without rights. Test files run side by side. */
export function openTun(): void {
  try {
    writeFileSync(KEPT, String(statSync(DEVICE).mode & 0o777), { flag: 'wx' });
  } catch (error) {
    // Another test has it open.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  chmodSync(DEVICE, 0o666);
}

/** Closes them again when the last of these users has been removed. */
export function closeTun(): void {
  if (TEST_USER.test(readFileSync('/etc/passwd', 'utf8'))) return;
  chmodSync(DEVICE, Number(readFileSync(KEPT, 'utf8')));
  rmSync(KEPT);
}
