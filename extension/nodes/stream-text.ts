import type { ClientStream } from '../../backend/api/client.ts';
import { BootyardError } from '../../backend/errors.ts';

/** A document of more than this is no fun in an editor; a file takes all. In characters. */
const MOST_TEXT = 8 * 1024 * 1024;

/** All that a stream of text brings; rejects when that is too much for an editor. */
export async function textOf(stream: ClientStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  await drain(stream, (data) => {
    text += decoder.decode(data, { stream: true });
    if (text.length <= MOST_TEXT) return;
    throw new BootyardError(
      'console.tooLong',
      'The text is too long for an editor: search for less, or save it to a file.',
    );
  });
  return text;
}

/** Resolves at the stream's end; rejects when that came with a sentence. */
export async function drain(
  stream: ClientStream,
  take: (data: Uint8Array) => Promise<void> | void,
): Promise<void> {
  const ended = new Promise<string | undefined>((resolve) => stream.onEnd(resolve));
  stream.onData(take);
  const message = await ended;
  if (message !== undefined) throw new BootyardError('console.text', message);
}
