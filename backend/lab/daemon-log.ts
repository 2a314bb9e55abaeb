import { copyFileSync, fstatSync, statSync, truncateSync } from 'node:fs';
import { messageOf } from '../errors.ts';

/** bytes; as many again are kept of what came before. The keeper does the same when it starts a daemon. */
const LIMIT = 16 << 20;
const STDERR = 2;

/**
 * The daemon's log is its standard error, which the keeper appends to `file`. What others write there, such as Node's own
 * warnings, counts too. Returns the function that writes a line.
 */
export function daemonLog(file: string, limit = LIMIT): (line: string) => void {
  return (line) => {
    const size = sizeOfLog(file);
    const trouble = size !== undefined && size >= limit ? moveAside(file) : undefined;
    if (trouble !== undefined) write(`the log before this line is lost: ${trouble}`);
    write(line);
  };
}

function write(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

/** bytes; undefined when standard error is something else, such as a terminal */
function sizeOfLog(file: string): number | undefined {
  const ours = fstatSync(STDERR);
  const named = statSync(file, { throwIfNoEntry: false });
  return named && named.ino === ours.ino && named.dev === ours.dev ? ours.size : undefined;
}

/** The keeper has the file open too, so its content moves and not the file. Returns why nothing was kept, if so. */
function moveAside(file: string): string | undefined {
  let trouble: string | undefined;
  try {
    copyFileSync(file, `${file}.1`);
  } catch (error) {
    trouble = messageOf(error);
  }
  truncateSync(file);
  return trouble;
}
