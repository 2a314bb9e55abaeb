/** Bytes that a server may send: a file of an image tree, or a buffer. The content never changes while it is held. */
export interface FileSource {
  /** bytes */
  readonly size: number;
  /** where it comes from, a clause for the timeline */
  readonly origin?: string;
  /** Fills `target` from `position` on; returns the number of bytes written, less than asked only at the end. */
  read(target: Uint8Array, position: number): number;
  /** False when `read` may have to wait for a disk, so that `readLater` is to be used; without it, `read` never has to. */
  isWarm?(position: number, length: number): boolean;
  /** `read` in the thread pool, which nobody else has to wait for; rejects where `read` throws. */
  readLater?(target: Uint8Array, position: number): Promise<number>;
}

/** For an event: nothing when nobody knows. */
export const originOf = ({ origin }: FileSource): { origin?: string } =>
  origin === undefined ? {} : { origin };

export function bufferSource(content: Uint8Array, origin?: string): FileSource {
  return {
    ...(origin === undefined ? {} : { origin }),
    size: content.length,
    read(target, position) {
      const part = content.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}
