import { Chunk, CHUNK_DONE, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, type NbdError } from './constants.ts';
import type { Request } from './request.ts';

/** Bytes of a simple reply, and of the head of a structured one. */
const SIMPLE = 16;
const STRUCTURED = 20;
/** Room that the head of any reply with data needs. */
export const DATA_HEAD = STRUCTURED + 8;

type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>;

export function simpleReply(cookie: Cookie, error: NbdError): Buffer {
  const bytes = Buffer.allocUnsafe(SIMPLE);
  writeSimpleHead(bytes, 0, cookie, error);
  return bytes;
}

/** A chunk of type ERROR without a message. */
export function errorChunk(cookie: Cookie, error: NbdError): Buffer {
  const bytes = Buffer.allocUnsafe(STRUCTURED + 6);
  writeChunkHead(bytes, 0, cookie, { type: Chunk.error, flags: CHUNK_DONE, length: 6 });
  bytes.writeUInt32BE(error, STRUCTURED);
  bytes.writeUInt16BE(0, STRUCTURED + 4);
  return bytes;
}

/** A chunk that says that a whole READ is zeros. */
export function holeChunk(request: Request): Buffer {
  const bytes = Buffer.allocUnsafe(STRUCTURED + 12);
  writeChunkHead(bytes, 0, request, { type: Chunk.offsetHole, flags: CHUNK_DONE, length: 12 });
  writeOffset(bytes, STRUCTURED, request.offset);
  bytes.writeUInt32BE(request.length, STRUCTURED + 8);
  return bytes;
}

/**
 * Writes the head of a READ's reply into the `DATA_HEAD` bytes at the start of `bytes`, so that it ends where the data
 * begins; returns where it starts. `isDone`: no other chunk follows.
 */
export function writeDataHead(
  bytes: Buffer,
  request: Request,
  isStructured: boolean,
  isDone: boolean,
): number {
  if (!isStructured) {
    writeSimpleHead(bytes, DATA_HEAD - SIMPLE, request, 0);
    return DATA_HEAD - SIMPLE;
  }
  const flags = isDone ? CHUNK_DONE : 0;
  writeChunkHead(bytes, 0, request, { type: Chunk.offsetData, flags, length: 8 + request.length });
  writeOffset(bytes, STRUCTURED, request.offset);
  return 0;
}

function writeSimpleHead(bytes: Buffer, at: number, cookie: Cookie, error: NbdError): void {
  bytes.writeUInt32BE(SIMPLE_REPLY_MAGIC, at);
  bytes.writeUInt32BE(error, at + 4);
  bytes.writeUInt32BE(cookie.cookieHigh, at + 8);
  bytes.writeUInt32BE(cookie.cookieLow, at + 12);
}

function writeChunkHead(
  bytes: Buffer,
  at: number,
  cookie: Cookie,
  chunk: { type: number; flags: number; length: number },
): void {
  bytes.writeUInt32BE(STRUCTURED_REPLY_MAGIC, at);
  bytes.writeUInt16BE(chunk.flags, at + 4);
  bytes.writeUInt16BE(chunk.type, at + 6);
  bytes.writeUInt32BE(cookie.cookieHigh, at + 8);
  bytes.writeUInt32BE(cookie.cookieLow, at + 12);
  bytes.writeUInt32BE(chunk.length, at + 16);
}

function writeOffset(bytes: Buffer, at: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  bytes.writeUInt32BE(offset % 2 ** 32, at + 4);
}
