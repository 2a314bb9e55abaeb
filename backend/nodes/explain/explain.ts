import type { Explanation } from '../../events/explanation.ts';
import { panicText } from '../console-scanner.ts';
import { causes } from './causes.ts';
import { BootCase, type BootEnd, type BootFacts } from './facts.ts';

/** The cause of what no other cause explains. */
export const UNKNOWN = 'unknown';
/** A node that floods its console makes no long sentence. */
const MAX_SENTENCE = 900;

/**
 * Where a boot stopped or why a node rebooted, and what to do, from what is known of the boot. Pure; never throws on what a
 * node says. When no cause fits: `unknown`, with the words of `end`.
 */
export function explain(facts: BootFacts): Explanation {
  const boot = new BootCase(facts);
  for (const cause of causes) {
    const reason = cause.explain(boot);
    if (!reason) continue;
    const { why, fix, evidence } = reason;
    const told = { cause: cause.id, stage: facts.stage, why, fix, evidence };
    return { ...told, sentence: sentenceOf(facts, because(told)) };
  }
  const { end } = facts;
  const told = { cause: UNKNOWN, stage: facts.stage, why: end.text, fix: '', evidence: [] };
  return { ...told, sentence: `${end.text.replace(/\.$/, '')}.` };
}

/** Why and what to do, as the end of a sentence; undefined when the cause is not known. */
export function because({ cause, why, fix }: Omit<Explanation, 'sentence'>): string | undefined {
  if (cause === UNKNOWN) return undefined;
  return (fix === '' ? why : `${why}; ${fix}`).slice(0, MAX_SENTENCE);
}

function sentenceOf({ end, stage, node, console }: BootFacts, reason = ''): string {
  // Many kernels restart their machine after a panic, which may end before its panic has been told.
  const isPanic =
    end.kind === 'rebooted' && end.times !== 0 && console.some((line) => panicText(line) !== undefined);
  return `${HEADS[isPanic ? 'panicked' : end.kind](stage, node, end)}: ${reason}.`;
}

const HEADS: Readonly<Record<BootEnd['kind'], (stage: string, node: string, end: BootEnd) => string>> = {
  stalled: (stage) => `Stopped at ${stage}`,
  panicked: (stage) => `Kernel panic at ${stage}`,
  rebooted: (stage, _node, { times }) =>
    times === 0 ? 'Rebooted by itself' : `Rebooted by itself at ${stage}`,
  'not started': () => 'Not started',
  crashed: (stage) => `QEMU ended unexpectedly at ${stage}`,
  'given up': (stage) => `Gave up at ${stage}`,
  unreachable: () => 'Unreachable',
  paused: () => 'Paused',
  booted: (_stage, node) => `${node} is booted`,
};
