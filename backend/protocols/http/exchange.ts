import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import type { TransferEvent } from '../../events/bus.ts';
import { originOf, type FileSource } from '../file-source.ts';
import { BodySender } from './body.ts';
import type { ResolveBootFile, Resolved } from './parts.ts';
import { parseRange, type ByteRange } from '../range.ts';
import { parseTarget, type BootTarget } from './request-target.ts';

export type TransferReport = (event: Omit<TransferEvent, 'client' | 'node'>) => void;
/** What an exchange needs of its server. */
export interface ExchangeDuties {
  resolve: ResolveBootFile;
  /** Where the events of one exchange of a client go. */
  report: (client: string) => TransferReport;
  /** Why the server ended a connection; undefined when it did not. */
  causeOf: (socket: Socket) => string | undefined;
}

/** One request and its answer. */
export class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #client: string;
  readonly #resolveFile: ResolveBootFile;
  readonly #report: TransferReport;
  readonly #causeOf: ExchangeDuties['causeOf'];
  readonly #began = performance.now();

  constructor(request: IncomingMessage, response: ServerResponse, client: string, duties: ExchangeDuties) {
    this.#request = request;
    this.#response = response;
    this.#client = client;
    this.#resolveFile = duties.resolve;
    this.#report = duties.report(client);
    this.#causeOf = duties.causeOf;
    // A client that goes away shows in the answer's end.
    response.on('error', () => {});
    request.resume();
  }

  /** Ends when the answer is out or the connection is gone. Never rejects. */
  async run(): Promise<void> {
    const { socket } = this.#request;
    if (socket.destroyed) return;
    const ended = whenClosed(this.#response);
    const method = this.#request.method ?? '';
    const target = parseTarget(this.#request.url ?? '');
    if (method !== 'GET' && method !== 'HEAD') {
      this.#response.setHeader('Allow', 'GET, HEAD');
      this.#refuse(405, target.asked, `${method} is not served, only GET and HEAD`);
    } else if ('status' in target) this.#refuse(target.status, target.asked, target.cause);
    else await this.#serve(target, socket);
    await ended;
  }

  async #serve(target: BootTarget, socket: Socket): Promise<void> {
    const source = await this.#resolve(target);
    if (socket.destroyed) return;
    if (source instanceof Error) return this.#refuse(500, target.asked, source.message);
    if (!source) return this.#refuse(404, target.asked, 'there is no such file');
    if ('missing' in source) return this.#refuse(404, target.asked, source.missing);
    const range = parseRange(this.#request.headers.range, source.size);
    this.#response.setHeader('Accept-Ranges', 'bytes');
    if (range === 'unsatisfiable') {
      this.#response.setHeader('Content-Range', `bytes */${source.size}`);
      return this.#refuse(416, target.asked, `the file has ${source.size} bytes`);
    }
    this.#writeHead(source, range);
    if (this.#request.method === 'HEAD') return void this.#response.end();
    await this.#sendBody(target, source, range ?? { first: 0, last: source.size - 1 }, socket);
  }

  async #resolve(target: BootTarget): Promise<Resolved | Error> {
    try {
      return await this.#resolveFile(this.#client, target.path, target.query);
    } catch (error) {
      return new Error(messageOf(error));
    }
  }

  #writeHead(source: FileSource, range: ByteRange | undefined): void {
    const { size } = source;
    this.#response.setHeader('Content-Type', 'application/octet-stream');
    this.#response.setHeader('Content-Length', range ? range.last - range.first + 1 : size);
    if (range) this.#response.setHeader('Content-Range', `bytes ${range.first}-${range.last}/${size}`);
    this.#response.writeHead(range ? 206 : 200);
  }

  async #sendBody(target: BootTarget, source: FileSource, range: ByteRange, socket: Socket): Promise<void> {
    const path = target.asked;
    const status = this.#response.statusCode;
    this.#report({ phase: 'start', path, bytes: source.size, status, ...originOf(source) });
    // The head and the first block leave together; the rest of the body passes the response by.
    socket.cork();
    this.#response.flushHeaders();
    const body = new BodySender(socket, source, range.first, range.last + 1);
    socket.uncork();
    await body.done;
    const wanted = range.last + 1 - range.first;
    const cause = body.sent < wanted ? this.#breakCause(body, socket) : undefined;
    const durationMs = performance.now() - this.#began;
    this.#report({ phase: 'end', path, bytes: body.sent, durationMs, status, cause });
    this.#response.end();
  }

  #breakCause({ failure }: BodySender, socket: Socket): string {
    if (failure !== undefined) return `the file could not be read to its end: ${failure}`;
    return this.#causeOf(socket) ?? 'the client closed the connection';
  }

  #refuse(status: number, path: string, cause: string): void {
    this.#report({ phase: 'refused', path, bytes: 0, status, cause });
    const body = Buffer.from(`${path}: ${cause}.\n`);
    this.#response.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': body.length,
    });
    this.#response.end(body);
  }
}

function whenClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve));
}
