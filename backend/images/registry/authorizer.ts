import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { readAll } from './body.ts';
import type { Credentials, CredentialSource } from './docker-config.ts';
import type { Registry } from './registries.ts';
import type { Transport } from './transport.ts';

/** One scheme of a `WWW-Authenticate` header (RFC 9110 §11.6.1); names in lower case. */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

/** distribution-spec, "Token authentication" of docker/distribution. */
const TokenAnswer = z.looseObject({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().optional(),
});
/** seconds; what a token lives for when the answer does not say */
const USUAL_LIFE = 60;
/** a token that ends sooner is not used for another request */
const MARGIN_MS = 10_000;
const MAX_TOKEN = 1 << 20;

/** The scopes of a header with several challenges; parts that are not understood are left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const part = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;
  for (const [, name = '', quoted, plain] of header.matchAll(part)) {
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else {
      const last = challenges.at(-1);
      if (last) last.parameters[name.toLowerCase()] = value;
    }
  }
  return challenges;
}

/** Makes the `Authorization` header of requests to one registry: nothing, Basic, or a Bearer token for a scope. */
export class Authorizer {
  readonly #registry: Registry;
  readonly #transport: Transport;
  readonly #source: CredentialSource;
  readonly #tokens = new Map<string, { header: string; until: number }>();
  #basic: string | undefined;

  constructor(registry: Registry, transport: Transport, source: CredentialSource) {
    this.#registry = registry;
    this.#transport = transport;
    this.#source = source;
  }

  /** What is known to be wanted for a scope such as `repository:user/name:pull`. */
  header(scope: string): string | undefined {
    const token = this.#tokens.get(scope);
    return token && token.until > Date.now() ? token.header : this.#basic;
  }

  credentials(signal?: AbortSignal): Promise<Credentials | undefined> {
    return this.#source(new URL(this.#registry.url).host, signal);
  }

  /** Answers a 401; undefined when there is nothing to answer with. */
  async answer(header: string, scope: string, signal?: AbortSignal): Promise<string | undefined> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const credentials = await this.credentials(signal);
    if (bearer) return this.#token(bearer, scope, credentials, signal);
    if (!challenges.some(({ scheme }) => scheme === 'basic') || !credentials || credentials.isToken)
      return undefined;
    this.#basic = basicHeader(credentials);
    return this.#basic;
  }

  async #token(
    { parameters }: Challenge,
    scope: string,
    credentials: Credentials | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const realm = this.#realm(parameters.realm ?? '');
    const wanted = new Map([
      ...(parameters.service === undefined ? [] : [['service', parameters.service] as const]),
      ['scope', scope] as const,
    ]);
    const response = credentials?.isToken
      ? await this.#transport.send('POST', realm, {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: refreshForm(credentials.secret, wanted),
          signal,
        })
      : await this.#transport.send('GET', withQuery(realm, wanted), {
          headers: credentials ? { authorization: basicHeader(credentials) } : {},
          signal,
        });
    const body = await readAll(response, MAX_TOKEN, this.#registry);
    if (response.statusCode === 401 || response.statusCode === 403) return undefined;
    const token = response.statusCode === 200 ? tokenOf(body) : undefined;
    if (!token) throw this.#badIssuer(realm, response.statusCode);
    this.#tokens.set(scope, token);
    return token.header;
  }

  /** Passwords go to an issuer of tokens by HTTPS, unless the registry itself is asked without. */
  #realm(text: string): URL {
    const realm = URL.parse(text);
    const mayBePlain = this.#registry.insecure === true || this.#registry.url.startsWith('http:');
    if (realm?.protocol === 'https:' || (realm?.protocol === 'http:' && mayBePlain)) return realm;
    throw new BootyardError(
      'registry.badAnswer',
      `The registry '${this.#registry.label}' sends for a token to an address that Bootyard does not ask: it is not HTTPS.`,
    );
  }

  #badIssuer(realm: URL, status: number): BootyardError {
    return new BootyardError(
      'registry.badAnswer',
      `${realm.host}, which issues the tokens of the registry '${this.#registry.label}', gave none (status ${status}): try again later.`,
    );
  }
}

function basicHeader({ username, secret }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;
}

function withQuery(url: URL, parameters: Map<string, string>): URL {
  const asked = new URL(url);
  for (const [name, value] of parameters) asked.searchParams.append(name, value);
  return asked;
}

function refreshForm(token: string, wanted: Map<string, string>): string {
  const fields = { grant_type: 'refresh_token', refresh_token: token, client_id: 'bootyard' };
  return new URLSearchParams([...Object.entries(fields), ...wanted]).toString();
}

function tokenOf(body: Buffer): { header: string; until: number } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const answer = TokenAnswer.safeParse(parsed).data;
  const token = answer?.token ?? answer?.access_token;
  // What is no token would end the header.
  if (!token || !/^[\x21-\x7e]+$/.test(token)) return undefined;
  const life = (answer?.expires_in ?? USUAL_LIFE) * 1000;
  return { header: `Bearer ${token}`, until: Date.now() + life - MARGIN_MS };
}
