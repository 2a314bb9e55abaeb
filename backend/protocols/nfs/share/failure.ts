import type { NfsStatus } from '../status.ts';

/** Ends a procedure with a status other than OK. */
export class NfsFailure extends Error {
  readonly status: NfsStatus;
  constructor(status: NfsStatus) {
    super(`NFS status ${status}`);
    this.status = status;
  }
}

export function fail(status: NfsStatus): never {
  throw new NfsFailure(status);
}

/** What follows the status of a reply that is not OK, in order: post_op_attr or wcc_data. */
export type FailurePart = 'attributes' | 'change';

const attributes: readonly FailurePart[] = ['attributes'];
const change: readonly FailurePart[] = ['change'];

/** By procedure (RFC 1813 §3.3); GETATTR has nothing. */
export const failureParts: readonly (readonly FailurePart[])[] = [
  [],
  [],
  change, // SETATTR
  attributes, // LOOKUP
  attributes,
  attributes,
  attributes, // READ
  change, // WRITE
  change, // CREATE
  change,
  change,
  change, // MKNOD
  change, // REMOVE
  change,
  ['change', 'change'], // RENAME
  ['attributes', 'change'], // LINK
  attributes,
  attributes,
  attributes,
  attributes,
  attributes, // PATHCONF
  change, // COMMIT
];

/** A reply that says nothing but `status`: no attributes. */
export function bareFailure(procedure: number, status: NfsStatus): Uint8Array {
  const parts = failureParts[procedure] ?? [];
  const words = parts.reduce((sum, part) => sum + (part === 'change' ? 2 : 1), 1);
  const bytes = new Uint8Array(words * 4);
  new DataView(bytes.buffer).setUint32(0, status);
  return bytes;
}
