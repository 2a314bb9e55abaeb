import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import type { Registry } from './registries.ts';

export type Response = Dispatcher.ResponseData;
export interface SendOptions {
  headers?: Record<string, string>;
  body?: Dispatcher.DispatchOptions['body'];
  signal?: AbortSignal;
}

const CONNECT_MS = 15_000;
/** An answer that does not begin, or stands still, for so long has ended. */
const IDLE_MS = 60_000;
const MAX_REDIRECTS = 5;
const CONNECTIONS = 8;

/**
 * HTTP to one registry: through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, with the certificates that the
 * registry's entry names beside the usual ones (those of NODE_EXTRA_CA_CERTS are among them).
 */
export class Transport {
  readonly #registry: Registry;
  readonly #dispatcher: Dispatcher;

  constructor(registry: Registry, env: NodeJS.ProcessEnv = process.env) {
    this.#registry = registry;
    const trust = {
      ...(registry.ca === undefined ? {} : { ca: [...usualCertificates(), certificateFile(registry)] }),
      ...(registry.insecure ? { rejectUnauthorized: false } : {}),
    };
    this.#dispatcher = new EnvHttpProxyAgent({
      httpProxy: proxyUrl(env.http_proxy ?? env.HTTP_PROXY),
      httpsProxy: proxyUrl(env.https_proxy ?? env.HTTPS_PROXY),
      noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
      // Proxies often refuse tunnels to what is not HTTPS.
      proxyTunnel: false,
      connect: { ...trust, timeout: CONNECT_MS },
      requestTls: trust,
      headersTimeout: IDLE_MS,
      bodyTimeout: IDLE_MS,
      connections: CONNECTIONS,
    });
  }

  /**
   * Sends a request and follows what a GET or HEAD is redirected to: registries keep blobs elsewhere. A login goes to the
   * asked host only. Throws `registry.unreachable` and `registry.untrusted`; the caller consumes the body.
   */
  async send(method: Dispatcher.HttpMethod, address: URL, options: SendOptions = {}): Promise<Response> {
    let url = address;
    let headers = { 'user-agent': 'bootyard', 'accept-encoding': 'identity', ...options.headers };
    for (let hops = 0; ; hops++) {
      const response = await this.#once(method, url, { ...options, headers });
      const location = response.headers.location;
      const mayFollow = (method === 'GET' || method === 'HEAD') && typeof location === 'string';
      if (!mayFollow || response.statusCode < 300 || response.statusCode >= 400) return response;
      await response.body.dump();
      const next = URL.parse(location, url.href);
      if (!next || hops === MAX_REDIRECTS || !this.#mayLead(url, next)) throw this.#badRedirect();
      if (next.origin !== url.origin) {
        const { authorization, ...others } = headers as Record<string, string>;
        void authorization;
        headers = others as typeof headers;
      }
      url = next;
    }
  }

  #mayLead(from: URL, to: URL): boolean {
    if (to.protocol === 'https:') return true;
    return to.protocol === 'http:' && (from.protocol === 'http:' || this.#registry.insecure === true);
  }

  async #once(method: Dispatcher.HttpMethod, url: URL, options: SendOptions): Promise<Response> {
    try {
      return await request(url, { ...options, method, dispatcher: this.#dispatcher });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw this.#sentence(error, url);
    }
  }

  #sentence(error: unknown, url: URL): BootyardError {
    const { label } = this.#registry;
    const code = systemCode(error) ?? '';
    if (/CERT|SIGNATURE|SELF_SIGNED/.test(code)) {
      return new BootyardError(
        'registry.untrusted',
        `The certificate of ${url.host} (registry '${label}') is not trusted (${messageOf(error)}): name its authority with \`bootyard registry add ${label} ${this.#registry.url} --ca FILE --force\`.`,
      );
    }
    if (/SSL|EPROTO/.test(code)) {
      return unreachable(label, url, 'it does not speak TLS; is its address http://?');
    }
    return unreachable(label, url, messageOf(error) || code);
  }

  #badRedirect(): BootyardError {
    return new BootyardError(
      'registry.badAnswer',
      `The registry '${this.#registry.label}' redirects to where Bootyard does not follow: in a circle, or away from HTTPS.`,
    );
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }
}

function unreachable(label: string, url: URL, why: string): BootyardError {
  return new BootyardError(
    'registry.unreachable',
    `The registry '${label}' cannot be reached at ${url.host} (${why}): check its address (bootyard registry list), the network and the proxy settings.`,
  );
}

function usualCertificates(): readonly string[] {
  // Since Node 22.15; before, a private authority takes the place of NODE_EXTRA_CA_CERTS.
  const { getCACertificates }: { getCACertificates?: typeof tls.getCACertificates } = tls;
  return getCACertificates?.('default') ?? tls.rootCertificates;
}

function certificateFile({ label, ca = '' }: Registry): string {
  try {
    const text = readFileSync(ca, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw badCertificate(label, ca, messageOf(error));
  }
  throw badCertificate(label, ca, 'it holds no certificate in PEM form');
}

function badCertificate(label: string, file: string, why: string): BootyardError {
  return new BootyardError(
    'registry.ca',
    `The file '${file}' of the registry '${label}' is of no use: ${why}.`,
  );
}

function proxyUrl(text: string | undefined): string {
  if (!text) return '';
  const url = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(url)) return url;
  throw new BootyardError('registry.proxy', 'HTTP_PROXY or HTTPS_PROXY is no address of a proxy.');
}
