import { BootyardError } from '../../errors.ts';

/** Linux's limits: bytes of one name, and of a path with its final NUL. */
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/**
 * A path of a tar as clean path below the root: leading slashes, empty and `.` components go. '' is the root.
 * Throws `image.badTar` for what could lead out of the root or cannot be a Linux path.
 */
export function cleanTarPath(path: string, what = 'entry'): string {
  const refuse = (why: string): BootyardError =>
    new BootyardError('image.badTar', `The tar archive is refused: its ${what} ${shown(path)} ${why}.`, {
      path,
    });
  if (path.includes('\0')) throw refuse('contains a NUL byte');
  if (path.length >= PATH_MAX) throw refuse(`is longer than ${PATH_MAX - 1} bytes`);
  if (isClean(path)) return path;
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  for (const component of components) {
    if (component === '..') throw refuse("has a '..' in it, which could lead out of the image");
    if (component.length > NAME_MAX) throw refuse(`has a name of more than ${NAME_MAX} bytes`);
  }
  return components.join('/');
}

/** True for what most paths are: short names, none empty, none that begins with a dot. */
function isClean(path: string): boolean {
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at !== path.length && path.charCodeAt(at) !== 47) continue;
    if (at === start || at - start > NAME_MAX || path.charCodeAt(start) === 46) return false;
    start = at + 1;
  }
  return true;
}

/** The bytes of a path as text for people: printable, quoted, not too long. */
export function shown(path: string): string {
  const text = Buffer.from(path, 'latin1')
    .toString('utf8')
    .replace(/[\p{C}']/gu, '?');
  return `'${text.length > 80 ? `${text.slice(0, 80)}…` : text}'`;
}
