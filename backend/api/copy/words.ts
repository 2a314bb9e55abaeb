import type { Ended } from './stream.ts';

export const UNREACHABLE = 'Could not reach this node. Try again later.';
const SSH_FAILED = 255;
const MAX_WARNINGS = 20;
const MAX_WORDS = 300;

/** What tar says of things that it leaves out, or takes as they are, and goes on. */
const LEFT_OUT =
  /: (socket ignored|Cannot mknod: Operation not permitted|file changed as we read it|File removed before we read it)$/;
/** What tar says at its end when it said something before. */
const CLOSING =
  /(Exiting with failure status due to previous errors|error exit delayed from previous errors)\.?$/;

/** Why a program failed, as the end of a sentence; undefined if it did not, or only left things out. */
export function problemOf(end: Ended, overSsh: boolean): string | undefined {
  if (end.code === 0) return undefined;
  if (overSsh && end.code === SSH_FAILED) return UNREACHABLE;
  const lines = linesOf(end);
  const serious = lines.find((line) => !LEFT_OUT.test(line) && !CLOSING.test(line));
  if (serious !== undefined) return wordsOf(serious);
  if (end.code !== null && lines.length > 0) return undefined;
  return `it ended with ${end.code === null ? 'a signal' : `exit code ${end.code}`}.`;
}

/** A sentence each for what was left out; not all when there are many. */
export function warningsOf(...ends: Ended[]): string[] {
  const warnings = ends.flatMap(linesOf).filter((line) => LEFT_OUT.test(line));
  const told = warnings.slice(0, MAX_WARNINGS).map((line) => `Warning: ${wordsOf(line)}`);
  const more = warnings.length - MAX_WARNINGS;
  return more > 0 ? [...told, `Warning: and ${more} more.`] : told;
}

function linesOf(end: Ended): string[] {
  return end.stderr.split('\n').filter((line) => line !== '');
}

/** A node says what it likes. */
function wordsOf(line: string): string {
  return line
    .replace(/^tar: (\.\/)?/, '')
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_WORDS);
}
