import * as z from 'zod';

/**
 * Byte streams on the API's connection. The server sends `stream.data`; the client answers `stream.ack` with the bytes
 * it has taken; more than `STREAM_WINDOW` bytes without an ack make the server pause that stream, and no other call.
 * Data travels as base64. Either side ends a stream: `stream.close` (client), `stream.end` (server, with a sentence).
 */
export const STREAM_WINDOW = 256 * 1024;
export const streamNotifications = {
  'stream.data': z.object({ stream: z.number(), data: z.string() }),
  'stream.end': z.object({ stream: z.number(), message: z.string().optional() }),
  'stream.ack': z.object({ stream: z.number(), bytes: z.number() }),
  'stream.write': z.object({ stream: z.number(), data: z.string() }),
  'stream.close': z.object({ stream: z.number() }),
};
