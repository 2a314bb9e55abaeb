/** nfsstat3 (RFC 1813 §2.6), as far as a read-only server has use for it. */
export const Status = {
  ok: 0,
  noEntry: 2,
  io: 5,
  access: 13,
  notDirectory: 20,
  isDirectory: 21,
  invalid: 22,
  readOnly: 30,
  nameTooLong: 63,
  stale: 70,
  badHandle: 10001,
  badCookie: 10003,
  tooSmall: 10005,
} as const;
export type NfsStatus = (typeof Status)[keyof typeof Status];

/** ftype3 (RFC 1813 §2.5) of the types that a procedure asks for. */
export const FileType = { regular: 1, directory: 2, link: 5 } as const;
