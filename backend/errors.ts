/**
 * An error that a user may read: `message` is one sentence that says what was wrong, where, and what to do.
 * `code` is stable (`<noun>.<what>`); `data` holds the values that the sentence names.
 */
export class BootyardError extends Error {
  readonly code: string;
  readonly data: Record<string, unknown>;

  constructor(code: string, message: string, data: Record<string, unknown> = {}) {
    super(message);
    this.name = 'BootyardError';
    this.code = code;
    this.data = data;
  }
}

/** The `code` of an error of ours. */
export function codeOf(error: unknown): string {
  return error instanceof BootyardError ? error.code : 'internal';
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `EADDRINUSE`, …), if it is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
