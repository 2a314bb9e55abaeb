import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { BootyardError, systemCode } from '../../errors.ts';

export interface Credentials {
  username: string;
  /** a password, or with `isToken` an OAuth2 refresh token */
  secret: string;
  isToken: boolean;
  /** where it is kept, as part of a sentence (`' in this editor'`); Docker's configuration without it */
  from?: string;
}
/** `host`: name, and the port if it is not that of https; undefined when nothing is known of it */
export type CredentialSource = (host: string, signal?: AbortSignal) => Promise<Credentials | undefined>;

/** `config.json` of the Docker command line, as far as it is about logins (docker/cli, cli/config/configfile). */
const DockerConfig = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({ auth: z.string().optional(), identitytoken: z.string().optional() }).nullable(),
    )
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
type DockerConfig = z.infer<typeof DockerConfig>;
const HelperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/** What Docker Hub's logins are kept under. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_HOSTS = new Set(['registry-1.docker.io', 'docker.io', 'index.docker.io']);
/** A helper may ask its user to unlock a keyring. */
const HELPER_MS = 120_000;
const MAX_ANSWER = 64 << 10;

/**
 * Logins of the Docker command line: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, and the credential helpers
 * that it names. It is read anew each time, so a `docker login` counts at once.
 */
export function dockerCredentials(env: NodeJS.ProcessEnv = process.env): CredentialSource {
  return async (host, signal) => {
    const file = dockerConfigFile(env);
    const config = readConfig(file);
    const key = HUB_HOSTS.has(host) ? HUB_KEY : host;
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[host] ?? config.credsStore;
    const kept = helper ? await askHelper(helper, key, env, signal) : undefined;
    return kept ?? inFile(config, host, file);
  };
}

export function dockerConfigFile(env: NodeJS.ProcessEnv): string {
  return join(env.DOCKER_CONFIG || join(env.HOME ?? homedir(), '.docker'), 'config.json');
}

function readConfig(file: string): DockerConfig {
  try {
    return DockerConfig.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return {};
    if (systemCode(error) !== undefined && !(error instanceof SyntaxError)) throw error;
    throw new BootyardError('registry.dockerConfig', `${file} is no configuration of Docker: repair it.`);
  }
}

/** Keys are hosts, or addresses as older releases wrote them: `https://host/v1/`. */
function inFile(config: DockerConfig, host: string, file: string): Credentials | undefined {
  const hostOf = (key: string): string => key.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  const isOf = (key: string): boolean =>
    HUB_HOSTS.has(host) ? HUB_HOSTS.has(hostOf(key)) : hostOf(key) === host;
  const entries = Object.entries(config.auths ?? {});
  const entry = (entries.find(([key]) => key === host) ?? entries.find(([key]) => isOf(key)))?.[1];
  if (!entry) return undefined;
  const [username, secret] = split(Buffer.from(entry.auth ?? '', 'base64').toString('utf8'));
  if (entry.identitytoken) return { username, secret: entry.identitytoken, isToken: true };
  if (!entry.auth) return undefined;
  if (secret !== undefined) return { username, secret: secret.replace(/\0+$/, ''), isToken: false };
  throw new BootyardError(
    'registry.dockerConfig',
    `The login for ${host} in ${file} is damaged: log in again.`,
  );
}

function split(text: string): [string, string | undefined] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

/**
 * Asks `docker-credential-<name> get` with the server on its standard input (docker/docker-credential-helpers, "README").
 * What it prints is never shown: it may be the secret.
 */
async function askHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw helperFailed(program, 'its name holds odd characters');
  const { code, output } = await runHelper(program, server, env, signal);
  if (code !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw helperFailed(program, `exit code ${code}`);
  }
  const parsed = HelperAnswer.safeParse(jsonOf(output));
  if (!parsed.success) throw helperFailed(program, 'its answer is not as the protocol says');
  const { Username: username, Secret: secret } = parsed.data;
  return { username, secret, isToken: username === '<token>' };
}

function runHelper(
  program: string,
  server: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env,
      signal,
      timeout: HELPER_MS,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      if (output.length > MAX_ANSWER) child.kill();
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(server);
    child.on('error', (error) => {
      const isMissing = systemCode(error) === 'ENOENT';
      reject(isMissing ? helperFailed(program, 'there is no such program') : error);
    });
    child.on('close', (code) => resolve({ code, output }));
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function helperFailed(program: string, why: string): BootyardError {
  return new BootyardError(
    'registry.helper',
    `The credential helper '${program}' of your Docker configuration failed (${why}): repair it, or log in again.`,
    { program },
  );
}
