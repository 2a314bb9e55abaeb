const CTRL_A = 1;

/** What is typed on a console, as in WalT: `<ctrl-a> d` leaves, `<ctrl-a> a` sends ctrl-a, all else goes to the node. */
export class EscapeKeys {
  #escaped = false;

  /** What to send of these bytes, and whether to leave after that. Keys behind the leaving ones are dropped. */
  feed(data: Uint8Array): { send: Buffer; leave: boolean } {
    const send: number[] = [];
    for (const byte of data) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else send.push(byte);
        continue;
      }
      this.#escaped = false;
      if (byte === 0x64) return { send: Buffer.from(send), leave: true };
      // Any other key after ctrl-a: both are the node's.
      send.push(CTRL_A);
      if (byte !== 0x61) send.push(byte);
    }
    return { send: Buffer.from(send), leave: false };
  }
}
