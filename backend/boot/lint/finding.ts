import type { Repair } from '../../images/files/repair.ts';
import type { LintImage } from './image.ts';

export type Severity = 'error' | 'warning' | 'info';

/** One thing that a rule has found. */
export interface Hit {
  /** absolute path in the image, bytes as latin1 text (in a `Finding`: UTF-8), or the name of a label */
  path: string;
  /** one sentence */
  message: string;
  /** one sentence: what to do */
  fix: string;
  /** a line for the image's Dockerfile that does it, where one does */
  dockerfile?: string | undefined;
  /** the change of the image that does it, where nothing is left to choose; paths in it as in `path` (in a `Finding`: escaped) */
  repair?: Repair | undefined;
}
export interface Finding extends Hit {
  rule: string;
  severity: Severity;
}

/** A rule looks at an image and says what is wrong with it. It reads with bounds and takes any bytes without throwing. */
export interface Rule {
  /** stable: settings and quick fixes refer to it */
  id: string;
  severity: Severity;
  check: (image: LintImage) => Iterable<Hit> | AsyncIterable<Hit>;
}
