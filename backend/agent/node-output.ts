import { spawn } from 'node:child_process';
import { BootyardError, messageOf } from '../errors.ts';

const MAX_WORDS = 500;
const SSH_FAILED = 255;

/**
 * What a command in a node prints, for `argv` of `sshArgv`. Throws WalT's sentence when the node cannot be reached, and
 * the command's own last words when it fails. Ends the command when the reader stops.
 */
export async function* nodeOutput(argv: readonly string[], signal: AbortSignal): AsyncGenerator<Buffer> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-MAX_WORDS)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await ended;
    if (code === 0) return;
    if (code === SSH_FAILED) {
      throw new BootyardError('node.unreachable', 'Could not reach this node. Try again later.');
    }
    const words = said
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/\p{Cc}+/gu, ' ');
    throw new BootyardError(
      'node.command',
      words || `A command in the node ended with ${code ?? 'a signal'}.`,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BootyardError) throw error;
    throw new BootyardError('node.command', `${program} cannot be used: ${messageOf(error)}.`);
  } finally {
    child.kill();
  }
}
