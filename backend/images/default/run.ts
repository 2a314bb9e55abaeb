import { spawn } from 'node:child_process';
import { BootyardError } from '../../errors.ts';

export interface RunOptions {
  signal: AbortSignal;
  /** each line that the program writes, on either stream */
  log: (line: string) => void;
  cwd?: string;
  env?: Record<string, string>;
}

/** How long a program may tidy up after SIGTERM before it is killed. ms */
const GRACE_MS = 10_000;

/**
 * Runs a program in a process group of its own and returns its standard output. Ends the whole group when `signal`
 * aborts. Rejects with a sentence that names the program and its last words.
 */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  if (options.signal.aborted) return Promise.reject(cancelled());
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const output: string[] = [];
    const last: string[] = [];
    const take = (line: string): void => {
      options.log(line);
      last.push(line);
      if (last.length > 5) last.shift();
    };
    eachLine(child.stdout, (line) => {
      output.push(line);
      options.log(line);
    });
    eachLine(child.stderr, take);
    const stop = endGroup(child.pid);
    options.signal.addEventListener('abort', stop.begin);
    const tidy = (): void => {
      options.signal.removeEventListener('abort', stop.begin);
      stop.done();
    };
    child.once('error', (error) => {
      tidy();
      reject(
        new BootyardError(
          'build.missing',
          `${program} could not be started (${error.message}): is it installed?`,
        ),
      );
    });
    child.once('close', (code, killedBy) => {
      tidy();
      if (options.signal.aborted) reject(cancelled());
      else if (code === 0) resolve(output.join('\n'));
      else reject(failure(program, code ?? killedBy, last));
    });
  });
}

function cancelled(): BootyardError {
  return new BootyardError('build.cancelled', 'The build was cancelled.');
}

function failure(program: string, result: number | string | null, last: readonly string[]): BootyardError {
  const words = last.length > 0 ? `: ${last.join(' / ')}` : '';
  return new BootyardError('build.failed', `${program} failed (${result})${words}`, { program });
}

/** Ends a process group: politely, so that mounts are undone, then surely. */
function endGroup(pid: number | undefined): { begin: () => void; done: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const kill = (signal: NodeJS.Signals): void => {
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group has ended by itself.
    }
  };
  return {
    begin: () => {
      kill('SIGTERM');
      timer = setTimeout(() => kill('SIGKILL'), GRACE_MS);
    },
    done: () => {
      clearTimeout(timer);
    },
  };
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
}
