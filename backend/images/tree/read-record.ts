/** What was read of a file: bytes, those that were read twice count twice, and when it began. */
export interface FileRead {
  bytes: number;
  /** ms since the epoch */
  at: number;
  /** ms that its reads took which had to wait for a disk, each for itself */
  waitedMs: number;
}

/** Which files of a tree were read, and which directories listed. One note per read of any length: it has to be cheap. */
export class ReadRecord {
  #reads = new Map<number, FileRead>();

  note(inode: number, bytes: number): void {
    const known = this.#reads.get(inode);
    if (known) known.bytes += bytes;
    else this.#reads.set(inode, { bytes, at: Date.now(), waitedMs: 0 });
  }

  /** A read that was noted before has ended, and waited for a disk. */
  noteWait(inode: number, waitedMs: number): void {
    this.note(inode, 0);
    const known = this.#reads.get(inode);
    if (known) known.waitedMs += waitedMs;
  }

  /** What was noted since the last call, by inode, in the order of the first reads. */
  take(): Map<number, FileRead> {
    const reads = this.#reads;
    this.#reads = new Map();
    return reads;
  }
}
