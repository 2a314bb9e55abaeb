import { posix } from 'node:path';

/**
 * The path that a client means, absolute and without `.`, `..` and doubled slashes: `\boot\\x` and `//boot/./x` are
 * `/boot/x`. It cannot climb above `/`. Undefined when it names no file.
 */
export function requestedPath(file: string): string | undefined {
  if (/\p{Cc}/u.test(file)) return undefined;
  const path = posix.resolve('/', file.replaceAll('\\', '/').replace(/^\/+/, ''));
  return path === '/' ? undefined : path;
}
