import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError, systemCode } from '../../errors.ts';

/** A git repository, `<url>[#<branch, tag or commit>]`. */
export interface GitUrl {
  url: string;
  reference: string;
}

/** Throws `build.url` for what git would not take, or take for an option. */
export function parseGitUrl(text: string): GitUrl {
  const [url = '', reference = 'HEAD', ...rest] = text.split('#');
  const isWrong = (word: string): boolean => word === '' || word.startsWith('-') || /[\s\0]/.test(word);
  if (rest.length > 0 || isWrong(url) || isWrong(reference)) {
    throw new BootyardError('build.url', `'${text}' is no URL of a git repository: give <url>[#<branch>].`);
  }
  return { url, reference };
}

/** Fetches one commit of a repository into an empty folder. */
export async function fetchRepository(
  { url, reference }: GitUrl,
  folder: string,
  { signal, onOutput }: { signal: AbortSignal; onOutput: (text: string) => void },
): Promise<void> {
  const git = (...args: string[]): Promise<void> => runGit(args, url, folder, signal, onOutput);
  await git('init', '-q');
  await git('fetch', '-q', '--depth', '1', '--', url, reference);
  await git('checkout', '-q', 'FETCH_HEAD');
  const hasParts = await stat(join(folder, '.gitmodules')).catch(() => undefined);
  if (hasParts) await git('submodule', '-q', 'update', '--init', '--recursive', '--depth', '1');
}

async function runGit(
  args: string[],
  url: string,
  cwd: string,
  signal: AbortSignal,
  onOutput: (text: string) => void,
): Promise<void> {
  // Where nobody can answer, git shall not ask; and a URL shall not name a program.
  const env = {
    ...process.env,
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    LC_ALL: 'C',
  };
  const child = spawn('git', args, { cwd, env, signal, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said = (said + String(chunk)).slice(-4000);
    onOutput(String(chunk));
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new BootyardError(
      'build.noGit',
      'To build from a URL the program git is needed: install it (on Debian: apt-get install git).',
    );
  });
  if (code === 0) return;
  const last = said.trim().split('\n').at(-1) ?? `it ended with ${code}`;
  throw new BootyardError('build.git', `${url} cannot be fetched: ${last.replace(/\.$/, '')}.`);
}
