import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unescape } from 'node:querystring';
import { BootyardError, systemCode } from '../../errors.ts';

/** A git repository, `<url>[#<branch, tag or commit>]`. */
export interface GitUrl {
  /** without a password */
  url: string;
  reference: string;
  /** HTTP's Authorization, of the user and the password that were in the URL */
  authorization?: string;
}

/** Throws `build.url` for what git would not take, or take for an option. */
export function parseGitUrl(text: string): GitUrl {
  const [url = '', reference = 'HEAD', ...rest] = text.split('#');
  const isWrong = (word: string): boolean => word === '' || word.startsWith('-') || /[\s\0]/.test(word);
  const isHttp = /^https?:/i.test(url);
  if (rest.length > 0 || isWrong(url) || isWrong(reference) || (isHttp && !URL.canParse(url))) {
    throw new BootyardError('build.url', `'${text}' is no URL of a git repository: give <url>[#<branch>].`);
  }
  const parsed = isHttp ? new URL(url) : undefined;
  if (!parsed?.password) return { url, reference };
  const login = [parsed.username, parsed.password].map(unescape).join(':');
  Object.assign(parsed, { username: '', password: '' });
  return { url: parsed.href, reference, authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

/** Fetches one commit of a repository into an empty folder. */
export async function fetchRepository(
  repository: GitUrl,
  folder: string,
  { signal, onOutput }: { signal: AbortSignal; onOutput: (text: string) => void },
): Promise<void> {
  const { url, reference } = repository;
  const git = (...args: string[]): Promise<void> => runGit(args, repository, folder, signal, onOutput);
  await git('init', '-q');
  await git('fetch', '-q', '--depth', '1', '--', url, reference);
  await git('checkout', '-q', 'FETCH_HEAD');
  const hasParts = await stat(join(folder, '.gitmodules')).catch(() => undefined);
  if (hasParts) await git('submodule', '-q', 'update', '--init', '--recursive', '--depth', '1');
}

/** A password is no argument, which all users of the host see, and goes to the server of the URL alone. */
function settings({ url, authorization }: GitUrl): NodeJS.ProcessEnv {
  if (authorization === undefined) return {};
  const at = Number(process.env.GIT_CONFIG_COUNT ?? 0);
  return {
    GIT_CONFIG_COUNT: String(at + 1),
    [`GIT_CONFIG_KEY_${at}`]: `http.${new URL(url).origin}/.extraHeader`,
    [`GIT_CONFIG_VALUE_${at}`]: `Authorization: ${authorization}`,
  };
}

async function runGit(
  args: string[],
  repository: GitUrl,
  cwd: string,
  signal: AbortSignal,
  onOutput: (text: string) => void,
): Promise<void> {
  // Where nobody can answer, git shall not ask; and a URL shall not name a program.
  const env = {
    ...process.env,
    ...settings(repository),
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
  throw new BootyardError('build.git', `${repository.url} cannot be fetched: ${last.replace(/\.$/, '')}.`);
}
