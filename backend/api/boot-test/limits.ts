import type { Timeline } from '../boots.ts';
import { formatSize } from '../text-table.ts';
import type { BootTestFile } from './file.ts';

type Limits = BootTestFile['expect']['limits'];
/** A limit that was not kept, by its path below `limits`. */
export interface Excess {
  path: 'seconds' | 'bytes' | 'reference';
  message: string;
}

const MOST_NAMED = 3;

export function tooSlow({ seconds }: Limits, took: number): Excess[] {
  if (seconds === undefined || took <= seconds) return [];
  return [{ path: 'seconds', message: `The boot took ${took.toFixed(1)} s, and may take ${seconds} s.` }];
}

/** `boot`: what is on record of it. The largest files are named: they are what can be made smaller. */
export function tooMuch({ bytes }: Limits, { steps }: Pick<Timeline, 'steps'>): Excess[] {
  const files = steps
    .filter(({ kind }) => kind === 'file')
    .map((step) => ({ ...step, bytes: step.bytes ?? 0 }));
  const all = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes === undefined || all <= bytes) return [];
  const largest = files.toSorted((one, other) => other.bytes - one.bytes).slice(0, MOST_NAMED);
  const named = largest
    .map(({ path, name, bytes: size }) => `${path ?? name} ${formatSize(size)}`)
    .join(', ');
  const what = `The boot fetched ${formatSize(all)} by TFTP and HTTP, and may fetch ${formatSize(bytes)}`;
  return [{ path: 'bytes', message: `${what}; most of it: ${named}.` }];
}

/** `other`: seconds that the boot of the reference took */
export function tooSlowBeside({ reference }: Limits, took: number, other: number): Excess[] {
  if (!reference || took <= other * reference.ratio) return [];
  const { image, ratio } = reference;
  const times = `The boot took ${took.toFixed(1)} s, ${(took / other).toFixed(2)} times as long as that of ${image}`;
  return [{ path: 'reference', message: `${times} (${other.toFixed(1)} s), and may take ${ratio} times.` }];
}
