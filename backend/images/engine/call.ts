import { IncomingMessage } from 'node:http';
import { BootyardError } from '../../errors.ts';
import type { Engine } from './connect.ts';

/** One request of the engine's API; its types of dockerode do not know of signals, nor of Podman's own calls. */
export interface EngineCall {
  path: string;
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string>;
  signal?: AbortSignal;
  /** a header that Docker wants where registries are concerned, even without a login */
  withLogin?: boolean;
}

/** The answer, parsed; undefined where the engine says that there is no such thing (404). Throws `engine.failed`. */
export function callEngine(engine: Engine, call: EngineCall): Promise<unknown> {
  return dial(engine, call, false);
}

/** The answer as it comes. Throws `engine.failed`. */
export async function streamEngine(engine: Engine, call: EngineCall): Promise<IncomingMessage> {
  const answer = await dial(engine, call, true);
  if (answer instanceof IncomingMessage) return answer;
  throw engineFailed(engine, 'there is no such thing');
}

async function dial(engine: Engine, call: EngineCall, isStream: boolean): Promise<unknown> {
  const { path, method = 'GET', query = {}, signal, withLogin } = call;
  signal?.throwIfAborted();
  const request = {
    path: `${path}?`,
    method,
    isStream,
    options: { _query: query, _body: {} },
    statusCodes: { 200: true, 201: true, 204: true },
    ...(withLogin ? { authconfig: {} } : {}),
    ...(signal ? { abortSignal: signal } : {}),
  };
  try {
    return await new Promise((resolve, reject) => {
      engine.docker.modem.dial(request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (isMissing(error)) return undefined;
    throw engineFailed(engine, error instanceof Error ? error.message : String(error));
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 404;
}

export function engineFailed({ name, address }: Engine, why: string): BootyardError {
  const words = why
    .trim()
    .replace(/^\(HTTP code \d+\) /, '')
    .replace(/\s+/g, ' ');
  return new BootyardError(
    'engine.failed',
    `The container engine ${name} (${address}) fails: ${words.slice(0, 300)}`,
    {
      engine: name,
    },
  );
}
