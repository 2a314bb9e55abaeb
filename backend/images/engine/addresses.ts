import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../../errors.ts';
import { dockerConfigFile } from '../registry/docker-config.ts';

/** Where an engine may be, and who says so. */
export interface EngineAddress {
  /** `unix:///path` or `tcp://host:port`; others are named as not supported */
  address: string;
  /** for sentences: `DOCKER_HOST`, `the Docker context 'x'`, … */
  source: string;
  /** folder with ca.pem, cert.pem and key.pem, when the engine is to be spoken to over TLS */
  certificates?: string;
  /** false: whoever answers is believed */
  isVerified?: boolean;
  /** somebody named it: when nothing answers there, that is worth a sentence */
  isAsked: boolean;
}

/** `config.json` and `contexts/meta/<sha256 of the name>/meta.json` of the Docker command line (docker/cli, cli/context/store). */
const DockerConfig = z.looseObject({ currentContext: z.string().optional() });
const Context = z.looseObject({
  Endpoints: z.looseObject({
    docker: z.looseObject({ Host: z.string().optional(), SkipTLSVerify: z.boolean().optional() }).optional(),
  }),
});

/**
 * The engines that this user's own programs would speak with: Docker's is DOCKER_HOST, else the current context, else the
 * default sockets; Podman's is CONTAINER_HOST, else the default sockets, the user's own first. Nothing is connected to.
 */
export function engineAddresses(env: NodeJS.ProcessEnv = process.env): EngineAddress[] {
  const seen = new Set<string>();
  return [...dockerAddresses(env), ...podmanAddresses(env)].filter(({ address }) => {
    const place = samePlace(address);
    const isNew = !seen.has(place);
    seen.add(place);
    return isNew;
  });
}

/** The address that the user gives in words of his own: one of `unix://`, `tcp://`, or the path of a socket. */
export function givenAddress(text: string, env: NodeJS.ProcessEnv): EngineAddress | undefined {
  if (text.startsWith('/')) return { address: `unix://${text}`, source: text, isAsked: true };
  if (!text.includes('://')) return undefined;
  return { address: text, source: text, isAsked: true, ...tlsOf(env) };
}

function dockerAddresses(env: NodeJS.ProcessEnv): EngineAddress[] {
  if (env.DOCKER_HOST) {
    const address = env.DOCKER_HOST.includes('://') ? env.DOCKER_HOST : `tcp://${env.DOCKER_HOST}`;
    return [{ address, source: 'DOCKER_HOST', isAsked: true, ...tlsOf(env) }];
  }
  const context = contextAddress(env);
  if (context) return [context];
  return sockets(['/var/run/docker.sock', inRuntimeFolder(env, 'docker.sock')]);
}

function podmanAddresses(env: NodeJS.ProcessEnv): EngineAddress[] {
  if (env.CONTAINER_HOST) return [{ address: env.CONTAINER_HOST, source: 'CONTAINER_HOST', isAsked: true }];
  return sockets([inRuntimeFolder(env, 'podman/podman.sock'), '/run/podman/podman.sock']);
}

function sockets(paths: (string | undefined)[]): EngineAddress[] {
  const known = paths.filter((path) => path !== undefined);
  return known.map((path) => ({ address: `unix://${path}`, source: path, isAsked: false }));
}

function inRuntimeFolder(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, name) : undefined;
}

function tlsOf(env: NodeJS.ProcessEnv): Pick<EngineAddress, 'certificates'> {
  if (!env.DOCKER_TLS_VERIFY) return {};
  return { certificates: env.DOCKER_CERT_PATH || dirname(dockerConfigFile(env)) };
}

/** What `docker context use` has chosen; undefined for the context `default`, or when its description cannot be read. */
function contextAddress(env: NodeJS.ProcessEnv): EngineAddress | undefined {
  const file = dockerConfigFile(env);
  const name = env.DOCKER_CONTEXT || readDocument(file, DockerConfig)?.currentContext;
  if (!name || name === 'default') return undefined;
  const id = createHash('sha256').update(name).digest('hex');
  const folder = join(dirname(file), 'contexts');
  const endpoint = readDocument(join(folder, 'meta', id, 'meta.json'), Context)?.Endpoints.docker;
  const source = `the Docker context '${name}'`;
  if (!endpoint?.Host) return { address: '', source, isAsked: true };
  const certificates = join(folder, 'tls', id, 'docker');
  const isTls = endpoint.SkipTLSVerify === true || realPath(certificates) !== undefined;
  return {
    address: endpoint.Host,
    source,
    isAsked: true,
    isVerified: endpoint.SkipTLSVerify !== true,
    ...(isTls ? { certificates } : {}),
  };
}

function readDocument<T extends z.ZodType>(file: string, schema: T): z.output<T> | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    // A file that is damaged names no engine: the Docker command line says so itself.
    if (systemCode(error) !== undefined && systemCode(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

/** A socket by its real path: /var/run/docker.sock is often a link to Podman's. */
function samePlace(address: string): string {
  if (!address.startsWith('unix://')) return address;
  const path = address.slice('unix://'.length);
  return realPath(path) ?? path;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
