import type { Socket } from 'node:net';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  Disposable,
  type DataCallback,
  type Message,
  type MessageConnection,
} from 'vscode-jsonrpc/node';

/** Longest header block and longest message that a peer may send; what is longer ends the connection. */
const MAX_HEADER = 4 * 1024;
const MAX_MESSAGE = 32 * 1024 * 1024;
/** Received bytes that wait for dispatch, and sent bytes that the peer has not taken, before reading pauses. */
const MAX_WAITING = 1024 * 1024;
const MAX_BACKLOG = 4 * 1024 * 1024;

/**
 * A JSON-RPC connection over one socket, framed by `Content-Length` headers as in the base protocol of the Language
 * Server Protocol. Junk ends in `onError`, after which the caller must destroy the socket. With `bounded`, reading pauses
 * while the peer does not take what was sent to it; only the server may do so, or both ends could wait for each other.
 */
export function connectionOver(socket: Socket, options: { bounded: boolean }): MessageConnection {
  const maxBacklog = options.bounded ? MAX_BACKLOG : Infinity;
  return createMessageConnection(new SocketReader(socket, maxBacklog), new SocketWriter(socket));
}

/** Splits bytes into messages. `take` answers undefined until a message is whole, and throws on what is none. */
export class MessageFramer {
  #chunks: Buffer[] = [];
  #bodyLength: number | undefined;
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
  }

  take(): Buffer | undefined {
    this.#bodyLength ??= this.#takeHeader();
    if (this.#bodyLength === undefined || this.#waiting < this.#bodyLength) return undefined;
    const body = this.#cut(this.#bodyLength);
    this.#bodyLength = undefined;
    return body;
  }

  #takeHeader(): number | undefined {
    const head = this.#peek(MAX_HEADER);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) {
      if (head.length >= MAX_HEADER) throw new Error(`no end of header within ${MAX_HEADER} bytes`);
      return undefined;
    }
    const length = /^content-length: *(\d{1,9})$/im.exec(head.toString('latin1', 0, end))?.[1];
    if (length === undefined) throw new Error('a header without Content-Length');
    if (Number(length) > MAX_MESSAGE) throw new Error(`a message of ${length} bytes`);
    this.#cut(end + 4);
    return Number(length);
  }

  #peek(length: number): Buffer {
    const [first] = this.#chunks;
    if (first === undefined) return Buffer.alloc(0);
    if (first.length >= length || this.#chunks.length === 1) return first.subarray(0, length);
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#peek(length);
  }

  #cut(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    if (all === undefined || length === 0) return Buffer.alloc(0);
    const rest = all.subarray(length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#waiting -= length;
    return all.subarray(0, length);
  }
}

/** Hands on one message per turn of the event loop, as fast as the connection works them off, so its queue stays short. */
class SocketReader extends AbstractMessageReader {
  readonly #socket: Socket;
  readonly #maxBacklog: number;
  readonly #framer = new MessageFramer();
  #callback: DataCallback = () => {};
  #scheduled = false;
  #ended = false;

  constructor(socket: Socket, maxBacklog: number) {
    super();
    this.#socket = socket;
    this.#maxBacklog = maxBacklog;
    socket.on('error', (error) => this.fireError(error));
    socket.on('close', () => {
      this.#ended = true;
      if (!this.#scheduled) this.fireClose();
    });
    socket.on('drain', () => this.#schedule());
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    this.#socket.on('data', (chunk) => {
      this.#framer.push(chunk);
      this.#schedule();
      this.#pace();
    });
    return Disposable.create(() => this.#socket.removeAllListeners('data'));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#deliver()) this.#schedule();
      else if (this.#ended) this.fireClose();
      this.#pace();
    });
  }

  /** false when there is no whole message, or the peer must take answers first: `drain` goes on then */
  #deliver(): boolean {
    if (this.#behind) return false;
    try {
      const body = this.#framer.take();
      if (body === undefined) return false;
      this.#callback(messageOf(body));
      return true;
    } catch (error) {
      this.fireError(error);
      return false;
    }
  }

  get #behind(): boolean {
    return this.#socket.writableLength > this.#maxBacklog;
  }

  #pace(): void {
    if (this.#behind || (this.#scheduled && this.#framer.waiting > MAX_WAITING)) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}

function messageOf(body: Buffer): Message {
  const value: unknown = JSON.parse(body.toString('utf8'));
  if (typeof value !== 'object' || value === null || !('jsonrpc' in value) || value.jsonrpc !== '2.0') {
    throw new Error('a message that is not JSON-RPC 2.0');
  }
  return { ...value, jsonrpc: '2.0' };
}

/** One write per message. What is written after the end is dropped: whoever waits for an answer learns of the end. */
class SocketWriter extends AbstractMessageWriter {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  write(message: Message): Promise<void> {
    if (!this.#socket.writable) return Promise.resolve();
    const body = JSON.stringify(message);
    const header = `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return new Promise((resolve) => {
      this.#socket.write(header + body, () => resolve());
    });
  }

  end(): void {
    this.#socket.end();
  }
}
