import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { messageOf } from '../../errors.ts';
import { listenOn, portError } from '../bind.ts';
import { ClientConnections } from '../client-connections.ts';
import { EventShares } from '../event-shares.ts';
import type { RegistryContent } from './content.ts';
import { Door } from './door.ts';
import { RegistryError } from './errors.ts';
import { type Call, sendBlob, sendJson, sendManifest, sendNames } from './pulls.ts';
import { addChunk, beginUpload, completeUpload, type PushParts, putManifest, tellUpload } from './pushes.ts';
import { parseRoute, type Route } from './route.ts';
import { type UploadLimits, Uploads } from './uploads.ts';

export interface RegistryServerParts {
  address: string;
  port: number;
  content: RegistryContent;
  /** a folder for what is on its way; it is emptied */
  uploads: string;
  /** says of a client (IPv4 address) that it may push; the others may pull */
  mayPush: (client: string) => boolean;
  log: (line: string) => void;
  /** for clients that want TLS, PEM; those that want none are served on the same port */
  tls?: { key: string; cert: string };
  limits?: Partial<UploadLimits>;
}

const HEAD_MS = 10_000;
const IDLE_MS = 60_000;
const SWEEP_MS = 60_000;
/** of one client; those of the host come through one address */
const MOST_PER_CLIENT = 64;
const MOST_IN_ALL = 512;

/**
 * A registry of images (OCI distribution-spec 1.1, which is Docker Registry HTTP API v2): pull, push with uploads in one
 * piece or in chunks, mount. Images are not deleted through it.
 */
export class RegistryServer {
  readonly #parts: RegistryServerParts;
  readonly #door: Door;
  readonly #uploads: Uploads;
  readonly #push: PushParts;
  readonly #connections = new ClientConnections(MOST_PER_CLIENT);
  readonly #shares = new EventShares();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(parts: RegistryServerParts) {
    this.#parts = parts;
    this.#uploads = new Uploads(parts.uploads, parts.limits);
    this.#push = { content: parts.content, uploads: this.#uploads };
    this.#door = new Door({
      options: {
        headersTimeout: HEAD_MS,
        // A layer takes its time; what does not move is ended by the idle limit, what takes for ever by that of uploads.
        requestTimeout: 0,
        connectionsCheckingInterval: HEAD_MS / 2,
        keepAliveTimeout: IDLE_MS,
        requireHostHeader: false,
        maxHeaderSize: 16 * 1024,
      },
      tls: parts.tls,
      patience: HEAD_MS,
      idle: IDLE_MS,
      serve: (request, response) => void this.#serve({ request, response }),
    });
    this.#door.server.maxConnections = MOST_IN_ALL;
    this.#door.server.prependListener('connection', (socket) => this.#connections.admit(socket));
  }

  /** Throws `registry.port` when the port cannot be had. */
  async start(): Promise<void> {
    const { address, port } = this.#parts;
    await listenOn(this.#door.server, address, port).catch((error: unknown) => {
      throw portError(error, { name: 'Registry', transport: 'TCP', address, port });
    });
    this.#sweeper = setInterval(() => this.#uploads.sweep(), SWEEP_MS).unref();
  }

  /** The port that it got, where 0 was asked for. */
  get port(): number {
    const address = this.#door.server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#parts.port;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const { server } = this.#door;
    const closed = server.listening ? once(server, 'close') : undefined;
    this.#door.close();
    this.#connections.closeAll();
    await closed;
    this.#uploads.close();
  }

  /** A node is off: its connections are reset. */
  dropClient(address: string): void {
    this.#connections.drop(address);
  }

  async #serve(call: Call): Promise<void> {
    const { request, response } = call;
    // A client that goes away shows in the answer's end.
    response.on('error', () => {});
    request.on('error', () => {});
    const client = this.#connections.clientOf(request.socket);
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    try {
      await this.#answer(call, parseRoute(request.url ?? ''), client);
    } catch (error) {
      this.#refuse(call, client, error);
    }
  }

  async #answer(call: Call, route: Route, client: string): Promise<void> {
    const method = call.request.method ?? '';
    if (method !== 'GET' && method !== 'HEAD') this.#checkPush(call.request, client);
    const { content } = this.#parts;
    switch (route.kind) {
      case 'base':
        only(method, 'GET', 'HEAD');
        return sendJson(call, {});
      case 'catalog': {
        only(method, 'GET', 'HEAD');
        const names = [...new Set(content.names().map(({ repository }) => repository))];
        return sendNames(call, names, route.query, (repositories) => ({ repositories }));
      }
      case 'tags': {
        only(method, 'GET', 'HEAD');
        return sendTags(call, content, route.repository, route.query);
      }
      case 'manifest':
        only(method, 'GET', 'HEAD', 'PUT');
        if (method === 'PUT') return await putManifest(call, this.#push, route);
        return sendManifest(call, content.manifests(route.repository, route.reference), route.reference);
      case 'blob':
        only(method, 'GET', 'HEAD');
        return await sendBlob(call, content, route.hex);
      case 'uploads':
        only(method, 'POST');
        return await beginUpload(call, this.#push, route, client);
      case 'upload':
        only(method, 'GET', 'PATCH', 'PUT', 'DELETE');
        return await this.#upload(call, route, method);
    }
  }

  async #upload(call: Call, route: Extract<Route, { kind: 'upload' }>, method: string): Promise<void> {
    const upload = this.#uploads.find(route.id, route.repository);
    if (method === 'PATCH') return await addChunk(call, this.#push, upload);
    if (method === 'PUT') return await completeUpload(call, this.#push, upload, route.query.get('digest'));
    if (method === 'DELETE') this.#uploads.drop(upload);
    tellUpload(call, upload);
  }

  #checkPush({ headers }: IncomingMessage, client: string): void {
    if (!this.#parts.mayPush(client)) {
      throw new RegistryError(
        'DENIED',
        'Nodes may only pull: push from the host, to the address that `bootyard registry expose` gives.',
      );
    }
    // No engine sends this; a page in a browser of the host must not change images.
    if (headers.origin !== undefined) throw new RegistryError('DENIED', 'Pages of a browser may not push.');
  }

  #refuse({ request, response }: Call, client: string, thrown: unknown): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const error =
      thrown instanceof RegistryError
        ? thrown
        : new RegistryError('UNKNOWN', 'The registry could not do that: see the log of the lab.');
    const said = thrown instanceof RegistryError ? error.message : messageOf(thrown);
    if (error.status !== 404) this.#tell(client, `${request.method} of ${client} is refused: ${said}`);
    const body = Buffer.from(error.body);
    response.writeHead(error.status, {
      ...error.headers,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      // The rest of the body is not waited for.
      ...(request.complete ? {} : { Connection: 'close' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
    if (!request.complete) request.resume();
  }

  /** A flood of requests must not become a flood of lines. */
  #tell(client: string, line: string): void {
    const withheld = this.#shares.admit(client, performance.now());
    if (withheld === undefined) return;
    this.#parts.log(`registry: ${withheld > 0 ? `(${withheld} more refused) ` : ''}${line}`);
  }
}

function only(method: string, ...allowed: string[]): void {
  if (allowed.includes(method)) return;
  const isDelete = method === 'DELETE';
  const why = isDelete
    ? 'Images are not deleted here: use `bootyard image remove`.'
    : `${method} is not served here.`;
  throw new RegistryError('UNSUPPORTED', why, { headers: { Allow: allowed.join(', ') } });
}

function sendTags(call: Call, content: RegistryContent, repository: string, query: URLSearchParams): void {
  const tags = content.names().flatMap((name) => (name.repository === repository ? [name.tag] : []));
  if (tags.length === 0) throw new RegistryError('NAME_UNKNOWN', 'There is no such repository.');
  sendNames(call, tags, query, (page) => ({ name: repository, tags: page }));
}
