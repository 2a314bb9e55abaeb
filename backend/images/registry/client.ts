import { createHash } from 'node:crypto';
import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { type Descriptor, MediaType } from '../oci.ts';
import { Authorizer } from './authorizer.ts';
import { LEAST_PACE, type LeastPace, readAll } from './body.ts';
import type { CredentialSource } from './docker-config.ts';
import type { Registry } from './registries.ts';
import { type Response, type SendOptions, Transport } from './transport.ts';

export interface RemoteManifest {
  bytes: Buffer;
  mediaType: string;
  /** `sha256:…` of the bytes */
  digest: string;
}

/** The docker/distribution registry has this limit for manifests. */
const MAX_MANIFEST = 4 << 20;
const MAX_CONFIG = 8 << 20;
const MAX_PAGE = 4 << 20;
const MAX_NAMES = 20_000;
const PAGE = 100;
const MAX_REASON = 200;

const ACCEPTED = [MediaType.index, MediaType.manifest, MediaType.dockerList, MediaType.dockerManifest];
const Catalog = z.looseObject({ repositories: z.array(z.string()).nullish() });
const Tags = z.looseObject({ tags: z.array(z.string()).nullish() });
const Errors = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string(), message: z.string().optional() })),
});

type Method = 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT';

/** What a request is for: it decides the scope of the token. */
export type Access = 'pull' | 'pull,push';

export interface CallOptions extends Omit<SendOptions, 'body'> {
  access?: Access;
  /** makes the body; called again when a login is asked for */
  body?: () => SendOptions['body'];
  /** statuses that the caller handles, beside those below 300 */
  handled?: number[];
}

/**
 * A client of one registry (OCI distribution-spec 1.1, which is Docker Registry HTTP API v2). What the registry says is
 * untrusted: answers are bounded, digests are checked. Throws sentences (`registry.…`). The caller closes it.
 */
export class RegistryClient {
  readonly registry: Registry;
  readonly transport: Transport;
  readonly pace: LeastPace;
  readonly #authorizer: Authorizer;

  constructor(
    registry: Registry,
    credentials: CredentialSource,
    env?: NodeJS.ProcessEnv,
    pace: LeastPace = LEAST_PACE,
  ) {
    this.registry = registry;
    this.pace = pace;
    this.transport = new Transport(registry, env);
    this.#authorizer = new Authorizer(registry, this.transport, credentials);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  get #host(): string {
    return new URL(this.registry.url).host;
  }
  /** Where a blob is, whatever label and path the registry's entry has. */
  place(repository: string): { host: string; repository: string } {
    return { host: this.#host, repository: this.#fullName(repository) };
  }

  async userName(signal?: AbortSignal): Promise<string | undefined> {
    const credentials = await this.#authorizer.credentials(signal);
    return credentials && !credentials.isToken && credentials.username ? credentials.username : undefined;
  }

  /** Asks whether the registry speaks to us ("Determining Support"), with a login where it wants one. */
  async ping(signal?: AbortSignal): Promise<void> {
    const url = new URL('/v2/', this.registry.url);
    await (await this.request('GET', url, 'registry:catalog:*', { signal })).body.dump();
  }

  /** A manifest or index by tag or digest; undefined when there is none. */
  async manifest(
    repository: string,
    reference: string,
    signal?: AbortSignal,
  ): Promise<RemoteManifest | undefined> {
    const response = await this.call('GET', repository, `manifests/${reference}`, {
      headers: { accept: ACCEPTED.join(', ') },
      handled: [404],
      signal,
    });
    const bytes = await readAll(response, MAX_MANIFEST, this.registry, this.pace);
    if (response.statusCode === 404) return undefined;
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const stated = response.headers['docker-content-digest'];
    const asked = reference.startsWith('sha256:') ? reference : digest;
    const isWrong = typeof stated === 'string' && stated.startsWith('sha256:') && stated !== digest;
    if (asked !== digest || isWrong) throw this.wrongDigest('a manifest', asked);
    const type = response.headers['content-type'];
    return { bytes, digest, mediaType: (typeof type === 'string' ? type : '').split(';')[0]?.trim() ?? '' };
  }

  /** A small blob, such as a configuration. */
  async document(repository: string, { digest, size }: Descriptor, signal?: AbortSignal): Promise<Buffer> {
    if (size > MAX_CONFIG) throw this.#tooLarge(size);
    const response = await this.call('GET', repository, `blobs/${digest}`, { signal });
    const bytes = await readAll(response, size, this.registry, this.pace);
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest) return bytes;
    throw this.wrongDigest('a blob', digest);
  }

  async hasBlob(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.call('HEAD', repository, `blobs/${digest}`, {
      access: 'pull,push',
      handled: [404],
      signal,
    });
    await response.body.dump();
    return response.statusCode === 200;
  }

  /** Names of repositories below the registry's path, in the order of the registry. */
  async catalog(signal?: AbortSignal): Promise<string[]> {
    const prefix = new URL(this.registry.url).pathname.replace(/^\/|\/$/g, '');
    const first = new URL(`/v2/_catalog?n=${PAGE}`, this.registry.url);
    const all = await this.#pages(
      first,
      'registry:catalog:*',
      (page) => Catalog.parse(page).repositories ?? [],
      signal,
    );
    if (prefix === '') return all;
    return all.filter((name) => name.startsWith(`${prefix}/`)).map((name) => name.slice(prefix.length + 1));
  }

  tags(repository: string, signal?: AbortSignal): Promise<string[]> {
    const first = this.url(repository, `tags/list?n=${PAGE}`);
    return this.#pages(first, this.scope(repository, 'pull'), (page) => Tags.parse(page).tags ?? [], signal);
  }

  /** Follows `Link: <…>; rel="next"` (RFC 8288) within the registry, never in a circle and not for ever. */
  async #pages(
    first: URL,
    scope: string,
    namesOf: (page: unknown) => string[],
    signal?: AbortSignal,
  ): Promise<string[]> {
    const names = new Set<string>();
    const seen = new Set<string>();
    for (let url: URL | undefined = first; url;) {
      seen.add(url.href);
      const response = await this.request('GET', url, scope, { handled: [404], signal });
      const body = await readAll(response, MAX_PAGE, this.registry, this.pace);
      if (response.statusCode === 404) break;
      for (const name of this.#page(body, namesOf)) names.add(name);
      if (names.size > MAX_NAMES) throw this.#tooMany();
      url = nextPage(response, url);
      if (url && (seen.has(url.href) || url.origin !== first.origin)) break;
    }
    return [...names];
  }

  #page(body: Buffer, namesOf: (page: unknown) => string[]): string[] {
    try {
      return namesOf(JSON.parse(body.toString('utf8')));
    } catch {
      throw new BootyardError(
        'registry.badAnswer',
        `The registry '${this.registry.label}' answers a list that is none: is ${this.registry.url} the address of a registry?`,
      );
    }
  }

  /** A request about a repository; `path` is what stands behind its name. */
  call(method: Method, repository: string, path: string, options: CallOptions = {}): Promise<Response> {
    return this.request(method, this.url(repository, path), this.scope(repository, options.access), options);
  }

  url(repository: string, path: string): URL {
    return new URL(`/v2/${this.#fullName(repository)}/${path}`, this.registry.url);
  }
  /** with the path of the registry's address before it */
  #fullName(repository: string): string {
    return `${new URL(this.registry.url).pathname.replace(/^\//, '').replace(/([^/])$/, '$1/')}${repository}`;
  }
  /** of a token for this repository */
  scope(repository: string, access: Access = 'pull'): string {
    return `repository:${this.#fullName(repository)}:${access}`;
  }

  /** Sends with what is known of the login, answers one 401, and makes a sentence of what the caller does not handle. */
  async request(method: Method, url: URL, scope: string, options: CallOptions = {}): Promise<Response> {
    const { handled = [], headers, body, signal } = options;
    const isOwn = url.origin === new URL(this.registry.url).origin;
    const send = (authorization: string | undefined): Promise<Response> =>
      this.transport.send(method, url, {
        headers: { ...headers, ...(authorization && isOwn ? { authorization } : {}) },
        body: body?.(),
        signal,
      });
    let response = await send(this.#authorizer.header(scope));
    if (response.statusCode === 401 && isOwn) {
      const challenge = response.headers['www-authenticate'];
      await response.body.dump();
      const answer = await this.#authorizer.answer([challenge ?? ''].flat().join(', '), scope, signal);
      if (answer === undefined) throw await this.#denied(signal);
      response = await send(answer);
    }
    if (response.statusCode < 300 || handled.includes(response.statusCode)) return response;
    throw await this.#failure(response, signal);
  }

  async #failure(response: Response, signal?: AbortSignal): Promise<BootyardError> {
    const status = response.statusCode;
    const reason = reasonOf(
      await readAll(response, 64 << 10, this.registry, this.pace).catch(() => Buffer.alloc(0)),
    );
    if (status === 401) return this.#denied(signal);
    const { label } = this.registry;
    const because = reason === '' ? `status ${status}` : `status ${status}: ${reason}`;
    if (status === 403) {
      return new BootyardError(
        'registry.denied',
        `The registry '${label}' does not allow that (${because}).`,
        { registry: label },
      );
    }
    if (status === 429 || status >= 500) {
      return new BootyardError(
        'registry.busy',
        `The registry '${label}' cannot serve now (${because}): try again later.`,
      );
    }
    return new BootyardError('registry.refused', `The registry '${label}' refuses (${because}).`, { status });
  }

  async #denied(signal?: AbortSignal): Promise<BootyardError> {
    const known = await this.#authorizer.credentials(signal);
    const { label } = this.registry;
    const host = this.#host === 'registry-1.docker.io' ? '' : ` ${this.#host}`;
    const again = known?.from === undefined ? ` with \`docker login${host}\`` : '';
    const where = known?.from ?? ' in your Docker configuration';
    const sentence = known
      ? `The registry '${label}' refuses the login of '${known.username}'${where}, or that user may not do this: log in again${again}.`
      : `The registry '${label}' wants a login: use \`docker login${host}\`, Bootyard reads Docker's configuration.`;
    return new BootyardError('registry.denied', sentence, { registry: label });
  }

  wrongDigest(what: string, digest: string): BootyardError {
    return new BootyardError(
      'image.wrongDigest',
      `The image is refused: ${what} of the registry '${this.registry.label}' does not match its digest ${digest.slice(0, 19)}…; it is damaged or was tampered with.`,
      { digest },
    );
  }
  #tooLarge(size: number): BootyardError {
    return new BootyardError(
      'registry.tooLarge',
      `The image is refused: its configuration has ${size} bytes, more than any image needs.`,
    );
  }
  #tooMany(): BootyardError {
    return new BootyardError(
      'registry.tooLarge',
      `The registry '${this.registry.label}' lists more than ${MAX_NAMES} names: that is more than Bootyard searches.`,
    );
  }
}

function nextPage({ headers }: Response, from: URL): URL | undefined {
  const link = [headers.link ?? ''].flat().join(', ');
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link)?.[1];
  return target === undefined ? undefined : (URL.parse(target, from.href) ?? undefined);
}

/** The first error that a registry states (distribution-spec, "Error codes"), safe to print. */
function reasonOf(body: Buffer): string {
  try {
    const [first] = Errors.parse(JSON.parse(body.toString('utf8'))).errors;
    return (first?.message ?? first?.code ?? '').replace(/\p{C}+/gu, ' ').slice(0, MAX_REASON);
  } catch {
    return '';
  }
}
