/** Bytes that a server may send: a file of an image tree, or a buffer. The content never changes while it is held. */
export interface FileSource {
  /** bytes */
  readonly size: number;
  /** Fills `target` from `position` on; returns the number of bytes written, less than asked only at the end. */
  read(target: Uint8Array, position: number): number;
}

export function bufferSource(content: Uint8Array): FileSource {
  return {
    size: content.length,
    read(target, position) {
      const part = content.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}
