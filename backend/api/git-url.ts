import { messageOf } from '../errors.ts';
import { parseGitUrl } from '../images/build/git.ts';

/** What is wrong with `<url>[#<branch, tag or commit>]` of a git repository, in a sentence; undefined when nothing is. */
export function gitUrlProblem(text: string): string | undefined {
  try {
    parseGitUrl(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
