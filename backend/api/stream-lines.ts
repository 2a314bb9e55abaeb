import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { ClientStream } from './client-stream.ts';
import { linesOf } from './lines.ts';

/**
 * Hands over the lines of a stream as they come, and waits for the reader. Resolves when it has ended, with the sentence
 * that it ended with if there is one, or when `signal` is aborted, which closes it.
 */
export async function eachLine(
  stream: ClientStream,
  signal: AbortSignal,
  onLine: (line: Buffer) => Promise<void> | void,
  maxLine?: number,
): Promise<string | undefined> {
  const pipe = new PassThrough();
  let sentence: string | undefined;
  stream.onData(async (data) => {
    if (!pipe.write(data)) await once(pipe, 'drain', { signal });
  });
  stream.onEnd((message) => {
    sentence = message;
    pipe.end();
  });
  const stop = (): void => {
    stream.close();
    pipe.end();
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    for await (const line of linesOf(pipe, maxLine)) await onLine(line);
  } finally {
    signal.removeEventListener('abort', stop);
    stream.close();
  }
  return sentence;
}
