import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
type Document = Buffer | object;

/** A registry that serves whatever it is given, and does what it likes with a request. */
export class EvilRegistry {
  readonly port: number;
  /** paths below /v2/evil/box/ */
  readonly documents = new Map<string, { type: string; bytes: Buffer }>();
  /** answers a request instead, when it is there */
  answer: Answer | undefined;
  readonly #server = createServer((request, response) => this.#serve(request, response));

  constructor(port: number) {
    this.port = port;
  }
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }
  async start(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A document by its digest; answers its descriptor. */
  add(mediaType: string, document: Document): { mediaType: string; digest: string; size: number } {
    const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    for (const kind of ['manifests', 'blobs'])
      this.documents.set(`${kind}/${digest}`, { type: mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }
  /** What the tag `latest` stands for. */
  tag(mediaType: string, document: Document): void {
    const { digest } = this.add(mediaType, document);
    const found = this.documents.get(`manifests/${digest}`);
    if (found) this.documents.set('manifests/latest', found);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (this.answer) return this.answer(request, response);
    const found = this.documents.get((request.url ?? '').replace('/v2/evil/box/', ''));
    if (!found) return void response.writeHead(404).end('{}');
    response.writeHead(200, { 'content-type': found.type, 'content-length': found.bytes.length });
    response.end(found.bytes);
  }
}
