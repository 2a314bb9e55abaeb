import { existsSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import * as z from 'zod';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import { type EngineAddress, engineAddresses, givenAddress } from './addresses.ts';

export type EngineKind = 'docker' | 'podman';

/** A container engine that answers. */
export interface Engine {
  /** `docker` or `podman`; a second one of its kind is `docker-2` */
  name: string;
  kind: EngineKind;
  version: string;
  address: string;
  docker: Dockerode;
}
export interface FoundEngines {
  /** in the order in which they are asked */
  engines: Engine[];
  /** why others that are there, or that somebody named, cannot be used */
  problems: BootyardError[];
}

/** The oldest releases that are known to work. */
const OLDEST: Record<EngineKind, [major: number, minor: number]> = { docker: [20, 10], podman: [4, 0] };
const TITLES: Record<EngineKind, string> = { docker: 'Docker', podman: 'Podman' };
const ANSWER_MS = 20_000;
const PODMAN_COMPONENT = 'Podman Engine';
/** Answer of `/version` (Docker Engine API 1.41, SystemVersion). */
const Version = z.looseObject({
  Version: z.string(),
  Components: z.array(z.looseObject({ Name: z.string() })).nullish(),
});

/** Its types do not tell that it takes a signal; without one, a connection that breaks off is waited for without an end. */
interface WithSignal {
  version(options: { abortSignal: AbortSignal }): Promise<unknown>;
}

/** All engines that answer. Never throws for one that does not. */
export async function findEngines(env: NodeJS.ProcessEnv = process.env): Promise<FoundEngines> {
  const chosen = givenAddress(env.BOOTYARD_ENGINE ?? '', env);
  const addresses = chosen ? [chosen] : engineAddresses(env);
  const answers = await Promise.all(addresses.map((address) => tryConnect(address)));
  const found: FoundEngines = { engines: [], problems: [] };
  const counts: Record<EngineKind, number> = { docker: 0, podman: 0 };
  for (const [at, answer] of answers.entries()) {
    if (!(answer instanceof BootyardError)) {
      const count = ++counts[answer.kind];
      found.engines.push({ ...answer, name: count === 1 ? answer.kind : `${answer.kind}-${count}` });
    } else if (answer.code !== 'engine.absent' || addresses[at]?.isAsked) {
      found.problems.push(answer);
    }
  }
  return found;
}

/**
 * One engine: `wanted` is its name, its kind or its address; without it what BOOTYARD_ENGINE (setting bootyard.engine)
 * says, else the first that answers. Throws `engine.none` or why the one that is there cannot be used.
 */
export async function chooseEngine(
  wanted?: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Engine> {
  const env = wanted ? { ...environment, BOOTYARD_ENGINE: wanted } : environment;
  const choice = env.BOOTYARD_ENGINE ?? '';
  const { engines, problems } = await findEngines(env);
  const isName = choice !== '' && choice !== 'auto' && !givenAddress(choice, env);
  const [first] = isName ? engines.filter(({ name }) => name === choice) : engines;
  if (first) return first;
  const [problem] = problems;
  if (problem && (engines.length === 0 || !isName)) throw problem;
  throw isName ? noSuchEngine(choice, engines, problems) : noEngine();
}

/** Speaks with an engine; its name is that of its kind. Throws `engine.absent`, `engine.refused` and others of that noun. */
export async function connectEngine(address: EngineAddress): Promise<Engine> {
  await checkSocket(address);
  const docker = await makeClient(address);
  const answer = await ask(docker, address);
  const parsed = Version.safeParse(answer);
  if (!parsed.success) throw problem('silent', address, 'does not answer as a container engine does');
  const { Version: version, Components: components } = parsed.data;
  const isPodman = components?.some(({ Name }) => Name === PODMAN_COMPONENT) ?? false;
  const kind = isPodman ? 'podman' : 'docker';
  checkVersion(kind, version, address);
  return { name: kind, kind, version, address: address.address, docker };
}

async function tryConnect(address: EngineAddress): Promise<Engine | BootyardError> {
  try {
    return await connectEngine(address);
  } catch (error) {
    if (error instanceof BootyardError) return error;
    throw error;
  }
}

/** Most labs have no engine, and the client library is large: it is not loaded for a socket that is not there. */
async function checkSocket(address: EngineAddress): Promise<void> {
  const { socketPath } = clientOptions(address);
  if (socketPath === undefined) return;
  try {
    await stat(socketPath);
  } catch (error) {
    throw unreachable(address, error);
  }
}

async function makeClient(address: EngineAddress): Promise<Dockerode> {
  const { default: Client } = await import('dockerode');
  const options = clientOptions(address);
  // docker-modem mixes what the environment says into what it is told, and stumbles over certificates that it names.
  const host = process.env.DOCKER_HOST;
  delete process.env.DOCKER_HOST;
  try {
    return new Client(options);
  } finally {
    if (host !== undefined) process.env.DOCKER_HOST = host;
  }
}

function clientOptions(address: EngineAddress): Dockerode.DockerOptions {
  if (address.address === '') {
    throw problem(
      'unsupported',
      address,
      'has no description: choose another context with `docker context use`',
    );
  }
  const url = URL.canParse(address.address) ? new URL(address.address) : undefined;
  if (url?.protocol === 'unix:' && url.host === '') return { socketPath: decodeURIComponent(url.pathname) };
  if (url?.protocol === 'ssh:') {
    throw problem(
      'unsupported',
      address,
      'is reached by ssh, which is not supported: forward its socket with `ssh -L` and set DOCKER_HOST to that',
    );
  }
  if (url?.protocol !== 'tcp:' || url.hostname === '') {
    throw problem(
      'unsupported',
      address,
      'has an address that is not supported: it must be unix:///path or tcp://host:port',
    );
  }
  const isTls = address.certificates !== undefined;
  return {
    host: url.hostname,
    port: url.port || (isTls ? 2376 : 2375),
    protocol: isTls ? 'https' : 'http',
    ...(isTls ? { agent: tlsAgent(address) } : {}),
  };
}

/**
 * ca.pem says whom to believe, without it those whom this machine trusts; cert.pem and key.pem are the user's own and may be
 * missing together.
 */
function tlsAgent(address: EngineAddress): Agent {
  const { certificates = '', isVerified = true } = address;
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(certificates, name));
    } catch (error) {
      throw problem('refused', address, `needs a certificate that cannot be read (${messageOf(error)})`);
    }
  };
  const has = (name: string): boolean => existsSync(join(certificates, name));
  return new Agent({
    ...(has('cert.pem') ? { cert: read('cert.pem'), key: read('key.pem') } : {}),
    // A folder with neither is a wrong one.
    ...(has('ca.pem') || (isVerified && !has('cert.pem')) ? { ca: read('ca.pem') } : {}),
    rejectUnauthorized: isVerified,
  });
}

async function ask(docker: Dockerode, address: EngineAddress): Promise<unknown> {
  try {
    return await (docker as unknown as WithSignal).version({ abortSignal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw unreachable(address, error);
  }
}

function unreachable(address: EngineAddress, error: unknown): BootyardError {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTDIR':
      return problem('absent', address, 'does not run: start it');
    case 'EACCES':
    case 'EPERM':
      return problem(
        'refused',
        address,
        'does not let you in: be a member of the group that owns its socket, or use a rootless engine',
      );
    default:
      if (error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name)) {
        return problem('silent', address, `does not answer within ${ANSWER_MS / 1000} s: restart it`);
      }
      return problem('silent', address, `cannot be spoken with (${messageOf(error)})`);
  }
}

function problem(what: string, { address, source }: EngineAddress, why: string): BootyardError {
  const place =
    source === address || address === `unix://${source}`
      ? source
      : [address, source].filter((part) => part !== '').join(' of ');
  return new BootyardError(`engine.${what}`, `The container engine at ${place} ${why}.`, { address });
}

function checkVersion(kind: EngineKind, version: string, { address }: EngineAddress): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [oldMajor, oldMinor] = OLDEST[kind];
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return;
  throw new BootyardError(
    'engine.tooOld',
    `${TITLES[kind]} ${version} at ${address} is too old: ${TITLES[kind]} ${oldMajor}.${oldMinor} or later is needed.`,
    { address, version },
  );
}

function noEngine(): BootyardError {
  return new BootyardError(
    'engine.none',
    'No Docker or Podman answers: start one, or name its socket in DOCKER_HOST, CONTAINER_HOST or the setting bootyard.engine.',
  );
}

function noSuchEngine(wanted: string, engines: Engine[], problems: BootyardError[]): BootyardError {
  const there = engines.map(({ name }) => name).join(', ');
  const sentence = `No engine '${wanted}' answers${there ? `; there is ${there}` : ''}: start it, or choose another one.`;
  const why = problems.map(({ message }) => message);
  return new BootyardError('engine.none', [sentence, ...why].join(' '), { wanted });
}
