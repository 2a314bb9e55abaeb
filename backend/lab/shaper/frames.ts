/** QEMU's NET_BUFSIZE (include/net/net.h): no frame is longer. */
const MOST_FRAME_BYTES = 4096 + 65536;
const HEADER_BYTES = 4;

/**
 * Cuts a stream of QEMU's filter objects (net/net.c, SocketReadState) into frames: a length of 4 bytes in network order,
 * then as many bytes. Frames keep their header, because they go on into such a stream.
 */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole with this chunk; undefined when the stream makes no sense any more. */
  push(chunk: Buffer): Buffer[] | undefined {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    while (data.length >= HEADER_BYTES) {
      const length = data.readUInt32BE(0);
      if (length === 0 || length > MOST_FRAME_BYTES) return undefined;
      if (data.length < HEADER_BYTES + length) break;
      frames.push(data.subarray(0, HEADER_BYTES + length));
      data = data.subarray(HEADER_BYTES + length);
    }
    this.#rest = data;
    return frames;
  }
}

/** Bytes of the Ethernet frame in what `FrameSplitter` gives. */
export function frameSize(framed: Buffer): number {
  return framed.length - HEADER_BYTES;
}
