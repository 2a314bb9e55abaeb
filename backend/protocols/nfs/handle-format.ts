/** First word of every file handle: `BYFH`. */
export const HANDLE_MAGIC = 0x42594648;
/** magic, tree id (8 bytes), inode, path hash */
export const HANDLE_BYTES = 20;
