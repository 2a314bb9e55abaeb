import { ResponseError } from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { BootyardError } from '../errors.ts';

/** JSON-RPC 2.0 §5.1, and the code that the Language Server Protocol gives to a cancelled request. */
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const SERVER_ERROR = -32000;
const REQUEST_CANCELLED = -32800;
/** What vscode-jsonrpc rejects the calls with that wait when it is disposed. */
const PENDING_RESPONSE_REJECTED = -32097;

const numbers: Record<string, number> = {
  'api.method': METHOD_NOT_FOUND,
  'api.params': INVALID_PARAMS,
  'api.internal': INTERNAL_ERROR,
  'call.cancelled': REQUEST_CANCELLED,
};

/** How an error for users travels: its sentence as JSON-RPC's message, its code and data in JSON-RPC's `data`. */
const ErrorData = z.object({ code: z.string(), data: z.record(z.string(), z.unknown()).default({}) });
type ErrorData = z.output<typeof ErrorData>;

export function toResponseError(error: BootyardError): ResponseError<ErrorData> {
  const { code, data } = error;
  return new ResponseError(numbers[code] ?? SERVER_ERROR, error.message, { code, data });
}

/** What a client throws for whatever a call was rejected with. */
export function fromResponseError(error: unknown): BootyardError {
  if (error instanceof BootyardError) return error;
  if (!(error instanceof ResponseError) || error.code === PENDING_RESPONSE_REJECTED) return connectionLost();
  const parsed = ErrorData.safeParse(error.data);
  if (parsed.success) return new BootyardError(parsed.data.code, error.message, parsed.data.data);
  return new BootyardError('api.answer', error.message);
}

export function connectionLost(): BootyardError {
  return new BootyardError(
    'api.closed',
    'The connection to the daemon ended: it stopped or starts again, try once more.',
  );
}

export function cancelled(): BootyardError {
  return new BootyardError('call.cancelled', 'Cancelled.');
}

/** The first thing that is wrong with a value, as the end of a sentence: `nodes: Invalid input: expected array`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'invalid';
  return issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ${issue.message}` : issue.message;
}
