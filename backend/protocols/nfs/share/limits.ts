/** The largest file, bytes: what ext4 holds in blocks of 4 KiB. FSINFO says so, too. */
export const LARGEST_FILE = 2 ** 44 - 4096;
/** Names of one object, and directories in one; as ext4's. */
export const MOST_LINKS = 65_000;
/** PATH_MAX of Linux, without its zero byte */
export const LONGEST_TARGET = 4095;
