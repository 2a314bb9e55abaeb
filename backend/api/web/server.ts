import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BootyardError, messageOf } from '../../errors.ts';
import type { LabLink } from '../lab-link.ts';
import { listen } from '../ports/host-port.ts';
import { Answer } from './answer.ts';
import { entryPoints } from './entry-points.ts';

const HOST = '127.0.0.1';
const MAX_CONNECTIONS = 64;
const UNAVAILABLE = ['lab.stopped', 'lab.daemon', 'api.closed', 'api.unreachable'];
const USERS_MISTAKE = ['web.query', 'node.unknown', 'range', 'log.regexp'];

export interface WebOptions {
  lab: Pick<LabLink, 'client'>;
  /** 0: a free one is chosen */
  port: number;
  /** what went wrong that is no mistake of the one who asks */
  onProblem: (sentence: string) => void;
}
export interface WebServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves WalT's web API v1, read-only, on 127.0.0.1. Throws `port.taken`, `port.forbidden`. */
export async function serveWeb(options: WebOptions): Promise<WebServer> {
  const closing = new AbortController();
  const server = createServer({ maxHeaderSize: 8_192 }, (request, response) => {
    void answer(request, response, options, closing.signal);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, { hostPort: options.port, address: HOST, onProblem: options.onProblem });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closing.abort();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { lab, onProblem }: WebOptions,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const body = new Answer(response);
  const asText = /\berrors=text-only\b/.test(String(request.headers.prefer));
  try {
    const refused = refusal(request);
    if (refused) return body.fail(refused.status, refused.sentence, { asText, headers: refused.headers });
    const url = URL.parse(request.url ?? '', `http://${HOST}`);
    const entryPoint = url && entryPoints.get(url.pathname);
    if (!entryPoint) return body.fail(404, NO_SUCH_PAGE, { asText });
    const query = Object.fromEntries(url.searchParams);
    const write = (text: string): Promise<void> => body.write(text, signal);
    await entryPoint({ client: await lab.client(), query, signal, write });
    body.end();
  } catch (error) {
    if (signal.aborted) return;
    const status = statusOf(error);
    const sentence = error instanceof BootyardError ? error.message : `Internal error: ${messageOf(error)}`;
    if (status === 500) onProblem(`${request.url}: ${sentence}`);
    body.fail(status, sentence, { asText });
  }
}

const NO_SUCH_PAGE = `There is no such page: there are ${[...entryPoints.keys()].join(', ')}.`;

/**
 * A page of the web that names its own host's address 127.0.0.1 (DNS rebinding) would read the lab by its visitors'
 * browsers: what is asked for by another name than this host's is refused.
 */
function refusal({
  method,
  headers: { host = '' },
}: IncomingMessage): { status: number; sentence: string; headers?: object } | undefined {
  if (!/^(localhost|127\.0\.0\.1)(:\d{1,5})?$/i.test(host)) {
    return { status: 403, sentence: `Ask for localhost or ${HOST}, not for '${host.slice(0, 80)}'.` };
  }
  if (method === 'GET') return undefined;
  return { status: 405, sentence: 'This is read-only: use GET.', headers: { Allow: 'GET' } };
}

function statusOf(error: unknown): number {
  if (!(error instanceof BootyardError)) return 500;
  if (UNAVAILABLE.includes(error.code)) return 503;
  return USERS_MISTAKE.includes(error.code) ? 400 : 500;
}
