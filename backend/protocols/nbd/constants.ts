// Numbers of the NBD protocol, by the names of its document (doc/proto.md of the NetworkBlockDevice project).

export const INIT_MAGIC = 0x4e42444d41474943n;
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Handshake flags, and the client's answer to them. */
export const Handshake = { fixedNewstyle: 1, noZeroes: 2 } as const;

/** NBD_OPT_… */
export const Option = {
  exportName: 1,
  abort: 2,
  list: 3,
  info: 6,
  go: 7,
  structuredReply: 8,
} as const;

/** NBD_REP_… */
export const OptionReply = {
  ack: 1,
  server: 2,
  info: 3,
  unsupported: 0x8000_0001,
  invalid: 0x8000_0003,
  unknown: 0x8000_0006,
  tooBig: 0x8000_0009,
} as const;

/** NBD_INFO_… */
export const Info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

/** Transmission flags: NBD_FLAG_… */
export const Transmission = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendFastZero: 1 << 11,
} as const;

/** NBD_CMD_… */
export const Command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
} as const;

/** NBD_CMD_FLAG_… */
export const CommandFlag = { fua: 1, noHole: 2, df: 4, fastZero: 16 } as const;

/** NBD_REPLY_TYPE_… */
export const Chunk = { none: 0, offsetData: 1, offsetHole: 2, error: 0x8001 } as const;
export const CHUNK_DONE = 1;

/** Error values of replies; 0 is success. */
export const NbdError = {
  none: 0,
  notPermitted: 1,
  io: 5,
  noMemory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
} as const;
export type NbdError = (typeof NbdError)[keyof typeof NbdError];

/** Most data bytes of one READ or WRITE; told to clients as the maximum block size. */
export const MOST_DATA = 32 * 1024 * 1024;
/** Bytes of a request's head. */
export const REQUEST_HEAD = 28;
