import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a registry answers to one request, whole, and how to send it on. */
export interface Exchange {
  method: string;
  path: string;
  /** the asked range */
  range: string | undefined;
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  response: ServerResponse;
}

/** A server before a registry that keeps a list of the requests and may tamper with the answers. */
export class RegistryProxy {
  readonly requests: { method: string; path: string; range: string | undefined; sent: number }[] = [];
  /** answers instead of the registry when it returns true */
  tamper: (exchange: Exchange) => boolean = () => false;
  readonly #server: Server;
  readonly #target: number;
  readonly #pathFor: (path: string) => string;

  /** `pathFor`: what the registry is asked for instead */
  constructor(target: number, pathFor = (path: string): string => path) {
    this.#target = target;
    this.#pathFor = pathFor;
    this.#server = createServer((asked, response) => {
      // The registry, or who asked, has gone in the middle.
      this.#forward(asked, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #forward(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = asked;
    const onward = request({
      host: '127.0.0.1',
      port: this.#target,
      method,
      path: this.#pathFor(path),
      headers,
    });
    asked.pipe(onward);
    const [answer] = (await once(onward, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { range } = headers;
    const entry = { method, path, range, sent: 0 };
    this.requests.push(entry);
    const counted = response.write.bind(response);
    response.write = ((chunk: Buffer, ...rest: []) => (
      (entry.sent += chunk.length),
      counted(chunk, ...rest)
    )) as never;
    const status = answer.statusCode ?? 500;
    const exchange = { method, path, range, status, headers: answer.headers, body, response };
    if (this.tamper(exchange)) return;
    response.writeHead(status, answer.headers);
    if (body.length > 0) response.write(body);
    response.end();
  }
}
