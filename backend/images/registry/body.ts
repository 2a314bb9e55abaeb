import { BootyardError, messageOf } from '../../errors.ts';
import type { Registry } from './registries.ts';
import type { Response } from './transport.ts';

/** What each `ms` of an answer must bring, or its end. */
export interface LeastPace {
  bytes: number;
  ms: number;
}
/** Some 4 kB/s. Below that, a byte now and then would hold a connection for ever. */
export const LEAST_PACE: LeastPace = { bytes: 256 << 10, ms: 60_000 };

/** The bytes of an answer. Throws `registry.cut` when it breaks off, or comes too slowly. */
export async function* bodyOf(
  { body }: Response,
  { label }: Registry,
  { bytes, ms }: LeastPace,
): AsyncGenerator<Buffer> {
  let since = Date.now();
  let got = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      got += chunk.length;
      if (Date.now() - since > ms) {
        if (got < bytes) throw new Error('it is too slow');
        since = Date.now();
        got = 0;
      }
      yield chunk;
    }
  } catch (error) {
    throw brokenOff(label, error);
  }
}

/** The whole of an answer that must not be long. Throws `registry.tooLarge` when it is, `registry.cut` as `bodyOf` does. */
export async function readAll(
  response: Response,
  limit: number,
  registry: Registry,
  pace = LEAST_PACE,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of bodyOf(response, registry, pace)) {
      size += chunk.length;
      if (size > limit) break;
      chunks.push(chunk);
    }
  } finally {
    response.body.destroy();
  }
  if (size <= limit) return Buffer.concat(chunks);
  throw new BootyardError(
    'registry.tooLarge',
    `The registry '${registry.label}' is refused: it sends more than ${limit} bytes where a short answer is expected.`,
  );
}

export function brokenOff(label: string, error: unknown): BootyardError {
  return new BootyardError(
    'registry.cut',
    `The connection to the registry '${label}' broke off (${messageOf(error)}): try again.`,
  );
}
