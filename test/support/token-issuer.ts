import { createSign, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Certificates } from './certificates.ts';

const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Issues the tokens of docker/distribution ("Docker Registry v2 authentication via central service"). */
export class TokenIssuer {
  static readonly service = 'test-registry';
  static readonly issuer = 'test-issuer';
  readonly realm: string;
  readonly asked: { method: string; scope: string; user: string }[] = [];
  /** what a user gets of the actions that a scope asks for */
  allowed = (user: string, action: string): boolean => user === 'js' || action === 'pull';
  lifeSeconds = 300;
  readonly #server: Server;
  readonly #files: Certificates;
  readonly #login: string;
  readonly #refreshToken: string;

  constructor(port: number, files: Certificates, login: string, refreshToken = 'refresh') {
    this.#files = files;
    this.#login = login;
    this.#refreshToken = refreshToken;
    this.realm = `http://127.0.0.1:${port}/token`;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.listen(port, '127.0.0.1');
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(body).toString());
    const query = request.method === 'POST' ? form : new URL(request.url ?? '', this.realm).searchParams;
    const user = request.method === 'POST' ? this.#refreshed(form) : this.#loggedIn(request);
    const scope = query.get('scope') ?? '';
    this.asked.push({ method: request.method ?? '', scope, user: user ?? '(refused)' });
    if (user === undefined) return void response.writeHead(401).end('{}');
    response.end(JSON.stringify({ token: this.#token(user, scope), expires_in: this.lifeSeconds }));
  }
  #refreshed(form: URLSearchParams): string | undefined {
    return form.get('refresh_token') === this.#refreshToken ? 'js' : undefined;
  }
  #loggedIn({ headers }: IncomingMessage): string | undefined {
    if (!headers.authorization) return 'anonymous';
    const given = Buffer.from(headers.authorization.replace('Basic ', ''), 'base64').toString();
    return given === this.#login ? given.split(':')[0] : undefined;
  }

  #token(user: string, scope: string): string {
    const [type = '', ...rest] = scope.split(':');
    const actions = (rest.pop() ?? '').split(',').filter((action) => this.allowed(user, action));
    const now = Math.floor(Date.now() / 1000);
    const certificate = new X509Certificate(readFileSync(this.#files.certificate));
    const header = text({ alg: 'RS256', typ: 'JWT', x5c: [certificate.raw.toString('base64')] });
    const claims = text({
      iss: TokenIssuer.issuer,
      sub: user,
      aud: TokenIssuer.service,
      iat: now,
      nbf: now - 10,
      exp: now + 300,
      jti: randomUUID(),
      access: [{ type, name: rest.join(':'), actions }],
    });
    const signer = createSign('RSA-SHA256').update(`${header}.${claims}`);
    return `${header}.${claims}.${signer.sign(readFileSync(this.#files.key)).toString('base64url')}`;
  }
}
