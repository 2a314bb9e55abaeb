import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where the tools of system administrators (nft, mke2fs) are, which a plain user's PATH lacks on Debian. */
const ADMINISTRATION = ['/usr/sbin', '/sbin'];

/** A PATH with the administrator's folders at its end. */
export function toolPath(path = process.env.PATH): string {
  return [path || '/usr/local/bin:/usr/bin:/bin', ...ADMINISTRATION].join(delimiter);
}

/** The program as a path, or undefined when it is not to be found. A name with a slash is taken as it is. */
export function findProgram(name: string): string | undefined {
  if (name === '') return undefined;
  const candidates = name.includes('/')
    ? [name]
    : toolPath()
        .split(delimiter)
        .map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
