import type { Finding } from '../../boot/lint/finding.ts';
import type { Evidence } from '../../events/explanation.ts';
import type { BootCase } from './facts.ts';

/** Why it is so, and what to do: clauses without a period at their end. */
export interface Reason {
  why: string;
  fix: string;
  evidence: Evidence[];
}

export interface Cause {
  /** stable: README and scripts name it */
  id: string;
  /** what it is, for README's table */
  title: string;
  /** undefined: it is something else */
  explain(boot: BootCase): Reason | undefined;
}

/** A sentence of a check as a clause of another sentence. */
export function clause(sentence: string): string {
  const text = sentence.replace(/\.$/, '');
  return /^[A-Z][a-z]+\b/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

/** A sentence of the kind `why: what to do.` taken apart. */
export function apart(sentence: string): { why: string; fix: string } {
  const text = sentence.replace(/\.$/, '');
  const colon = text.lastIndexOf(': ');
  return colon < 0 ? { why: text, fix: '' } : { why: text.slice(0, colon), fix: text.slice(colon + 2) };
}

export function ofFinding({ message, fix }: Finding): { why: string; fix: string } {
  return { why: clause(message), fix: clause(fix) };
}
