// The `bootyard` command: a thin client of the daemon's API.
import { CommanderError } from 'commander';
import { BootyardError, messageOf } from '../errors.ts';
import { withRange } from './node-console.ts';
import { makeProgram } from './program.ts';
import { Session } from './session.ts';
import { UsageError } from './usage.ts';

const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

async function main(words: string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure of ours.
  process.stdout.on('error', () => process.exit(0));
  const session = new Session();
  try {
    await makeProgram(session).parseAsync(withRange(words), { from: 'user' });
    return session.exitCode;
  } catch (error) {
    return exitCodeOf(error, session);
  }
}

/** Says what went wrong in one sentence. */
function exitCodeOf(error: unknown, session: Session): number {
  // Commander has said its own.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  if (error instanceof UsageError) {
    session.say(error.message);
    return USAGE;
  }
  if (error instanceof BootyardError) {
    session.say(error.message);
    return error.code === 'call.cancelled' ? INTERRUPTED : FAILED;
  }
  if (error instanceof Error && error.name === 'AbortError') return INTERRUPTED;
  session.say(
    `Internal error: ${process.env.BOOTYARD_DEBUG && error instanceof Error ? error.stack : messageOf(error)}`,
  );
  return FAILED;
}

/** What was written last may still be on its way to a reader that is slow. */
const flushed = (out: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => out.write('', () => resolve()));

void main(process.argv.slice(2)).then(async (code) => {
  if (code !== INTERRUPTED) await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
});
