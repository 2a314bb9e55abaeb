import { parseRange } from '../../backend/api/node.ts';
import { messageOf } from '../../backend/errors.ts';

/** What is wrong with a range of a console's history, one sentence; undefined when nothing is. */
export function rangeProblem(text: string): string | undefined {
  try {
    parseRange(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The same of the speed at which it is played. */
export function speedProblem(text: string): string | undefined {
  const speed = Number(text);
  if (/^\d{1,7}(\.\d{1,2})?$/.test(text) && speed >= 0.01 && speed <= 1_000_000) return undefined;
  return 'Write a factor from 0.01 to 1000000.';
}
