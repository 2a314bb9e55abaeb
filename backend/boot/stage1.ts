import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestFolder } from '../guest/injected.ts';

/** The script of the first stage: what WalT has on its USB sticks and inside its undionly.kpxe. */
export function stage1Path(): string {
  return join(guestFolder(), 'stage1.ipxe');
}
export function stage1Script(): Buffer {
  return readFileSync(stage1Path());
}
