import * as z from 'zod';
import { BootyardError } from '../../errors.ts';

/** One line of what an engine tells of a long call (Docker Engine API 1.41, "BuildInfo"). */
const EngineEvent = z.looseObject({
  stream: z.string().optional(),
  status: z.string().optional(),
  progress: z.string().optional(),
  progressDetail: z.looseObject({ current: z.number().optional() }).optional().catch(undefined),
  id: z.string().optional(),
  error: z.string().optional(),
  aux: z.looseObject({ ID: z.string().optional() }).optional().catch(undefined),
});
export type EngineEvent = z.infer<typeof EngineEvent>;

/** No line of an engine is longer; what a step prints comes in pieces. */
const MAX_LINE = 4 << 20;

/** Reads the events of a stream as they come. A failure is one of them, and no exception. */
export async function* engineEvents(stream: NodeJS.ReadableStream): AsyncGenerator<EngineEvent> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    rest = Buffer.concat([rest, Buffer.from(chunk)]);
    let start = 0;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      yield* eventIn(rest.subarray(start, end));
      start = end + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > MAX_LINE)
      throw new BootyardError('engine.answer', 'The engine answers with a line that has no end.');
  }
  yield* eventIn(rest);
}

function* eventIn(line: Buffer): Generator<EngineEvent> {
  const text = line.toString('utf8').trim();
  if (text === '') return;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    yield { stream: `${text}\n` };
    return;
  }
  const event = EngineEvent.safeParse(parsed);
  if (event.success) yield event.data;
}
