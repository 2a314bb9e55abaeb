import { Command, CommandFlag, MOST_DATA, NbdError, REQUEST_MAGIC } from './constants.ts';

/** A request's head: 28 bytes (`Request message` of the protocol document). */
export interface Request {
  flags: number;
  command: number;
  /** The cookie (handle) in two halves: it is only given back. */
  cookieHigh: number;
  cookieLow: number;
  /** bytes; inexact above 2^53, which is larger than any export */
  offset: number;
  length: number;
}

/** Undefined when the bytes are no request: nothing that follows them can be understood. */
export function decodeRequest(head: Buffer): Request | undefined {
  if (head.readUInt32BE(0) !== REQUEST_MAGIC) return undefined;
  return {
    flags: head.readUInt16BE(4),
    command: head.readUInt16BE(6),
    cookieHigh: head.readUInt32BE(8),
    cookieLow: head.readUInt32BE(12),
    offset: head.readUInt32BE(16) * 2 ** 32 + head.readUInt32BE(20),
    length: head.readUInt32BE(24),
  };
}

/** What a connection has negotiated, as far as it decides which requests are right. */
export interface Terms {
  /** bytes */
  readonly size: number;
  readonly readOnly: boolean;
  readonly structured: boolean;
}

/** What is wrong with a request, or `none`. A WRITE's data follows its head in any case. */
export function check(request: Request, terms: Terms): NbdError {
  const allowed = allowedFlags(request.command, terms);
  if (allowed === undefined || (request.flags & ~allowed) !== 0) return NbdError.invalid;
  if (request.command === Command.flush) return NbdError.none;
  const { command, offset, length } = request;
  const isRead = command === Command.read;
  if (!isRead && terms.readOnly) return NbdError.notPermitted;
  if (length === 0) return NbdError.invalid;
  if ((isRead || command === Command.write) && length > MOST_DATA) return NbdError.invalid;
  const isInside = offset <= terms.size && length <= terms.size - offset;
  if (!isInside) return isRead || command === Command.trim ? NbdError.invalid : NbdError.noSpace;
  // Reserved space has to be written; without it zeros are only noted.
  const slowZero = CommandFlag.fastZero | CommandFlag.noHole;
  return (request.flags & slowZero) === slowZero ? NbdError.notSupported : NbdError.none;
}

/** FUA may come with any command: clients are known to send it with READ and FLUSH. Undefined: unknown command. */
function allowedFlags(command: number, terms: Terms): number | undefined {
  const { fua, df, noHole, fastZero } = CommandFlag;
  switch (command) {
    case Command.read:
      return terms.structured ? fua | df : fua;
    case Command.write:
    case Command.flush:
    case Command.trim:
      return fua;
    case Command.writeZeroes:
      return fua | noHole | fastZero;
    default:
      return undefined;
  }
}
