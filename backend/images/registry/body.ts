import { BootyardError, messageOf } from '../../errors.ts';
import type { Response } from './transport.ts';

/** The whole of an answer that must not be long. Throws `registry.tooLarge` when it is, `registry.cut` when it breaks off. */
export async function readAll({ body }: Response, limit: number, label: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw brokenOff(label, error);
  } finally {
    body.destroy();
  }
  if (size <= limit) return Buffer.concat(chunks);
  throw new BootyardError(
    'registry.tooLarge',
    `The registry '${label}' is refused: it sends more than ${limit} bytes where a short answer is expected.`,
  );
}

export function brokenOff(label: string, error: unknown): BootyardError {
  return new BootyardError(
    'registry.cut',
    `The connection to the registry '${label}' broke off (${messageOf(error)}): try again.`,
  );
}
