/** nfsstat3 (RFC 1813 §2.6), as far as this server has use for it. */
export const Status = {
  ok: 0,
  notOwner: 1,
  noEntry: 2,
  io: 5,
  access: 13,
  exists: 17,
  notDirectory: 20,
  isDirectory: 21,
  invalid: 22,
  fileTooBig: 27,
  noSpace: 28,
  readOnly: 30,
  tooManyLinks: 31,
  nameTooLong: 63,
  notEmpty: 66,
  quota: 69,
  stale: 70,
  badHandle: 10001,
  notSync: 10002,
  badCookie: 10003,
  notSupported: 10004,
  tooSmall: 10005,
  serverFault: 10006,
  badType: 10007,
} as const;
export type NfsStatus = (typeof Status)[keyof typeof Status];

/** ftype3 (RFC 1813 §2.5) */
export const FileType = {
  regular: 1,
  directory: 2,
  block: 3,
  character: 4,
  link: 5,
  socket: 6,
  fifo: 7,
} as const;
