/** First word of the file handles of trees: `BYFH`. */
export const HANDLE_MAGIC = 0x42594648;
/** First word of the file handles of shares: `BYSH`. */
export const SHARE_MAGIC = 0x42595348;
/** The byte in which the two differ: the third of the magic. */
export const SHARE_BYTE = 0x53;
/** magic, tree or share id (8 bytes), inode, path hash or generation */
export const HANDLE_BYTES = 20;
