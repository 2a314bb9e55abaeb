/**
 * The one event bus: every server, the supervisor and the agent publish here; status, timeline, logs and views read.
 * Publishers give an `EventBody`; the bus adds number and times. `client` is an IPv4 address as text, `node` a MAC in
 * lower case with colons; the bus fills `node` from `client` (or the reverse) by the resolver that the daemon sets.
 */
export type EventBody =
  | ({ kind: 'dhcp' } & DhcpEvent)
  | ({ kind: 'tftp' } & TransferEvent)
  | ({ kind: 'http' } & TransferEvent)
  | ({ kind: 'mount' } & MountEvent)
  | ({ kind: 'nfs' } & NfsEvent)
  | ({ kind: 'nbd' } & NbdEvent)
  | ({ kind: 'agent' } & AgentEvent)
  | ({ kind: 'log' } & LogEvent)
  | ({ kind: 'console' } & ConsoleEvent)
  | ({ kind: 'qemu' } & QemuEvent)
  | ({ kind: 'node' } & NodeEvent)
  | ({ kind: 'warning' } & WarningEvent)
  | ({ kind: 'copy' } & CopyEvent)
  | ({ kind: 'image' } & ImageEvent)
  | ({ kind: 'service' } & ServiceEvent);

interface Subject {
  node?: string;
  client?: string;
}
export interface DhcpEvent extends Subject {
  /** the client's message: DISCOVER, REQUEST, … */
  message: string;
  /** what was answered (OFFER, ACK, NAK), or undefined when the packet was dropped */
  answer?: string;
  /** address given or refused */
  address?: string;
  /** why this answer, one clause */
  cause: string;
  vendorClass?: string;
  userClass?: string;
  architecture?: number;
  bootFile?: string;
}
export interface TransferEvent extends Subject {
  phase: 'start' | 'end' | 'refused';
  path: string;
  /** bytes of the file (start) or sent (end) */
  bytes: number;
  durationMs?: number;
  /** where the file comes from, a clause (start) */
  origin?: string;
  /** TFTP: blocks sent again */
  resent?: number;
  /** HTTP status */
  status?: number;
  /** why it was refused or broke off */
  cause?: string;
}
export interface MountEvent extends Subject {
  path: string;
  ok: boolean;
  cause?: string;
}
export interface NfsEvent extends Subject {
  /** totals of one connection, published when it ends and at most once a second before */
  operations: number;
  bytesRead: number;
  /** which one, hex; over UDP all that a client sends is one */
  connection: string;
  /** ms since the epoch of its first call */
  since: number;
}
/** A connection that uses an export: `path` is its name, `bytes` its size (start) or what was read (end). */
export interface NbdEvent extends TransferEvent {
  bytesWritten: number;
  /** bytes of the host's disk that the export's content takes */
  storedBytes: number;
}
export interface AgentEvent extends Subject {
  /** booted: the node said so; lost: its connection ended; asked: an RPC of the node; failed: it cannot boot, see detail */
  phase: 'booted' | 'lost' | 'asked' | 'failed';
  detail?: string;
}
/** Without node and client it is a line of the lab itself. */
export interface LogEvent extends Subject {
  stream: string;
  line: string;
  /** the line as it came, where it is not the UTF-8 of `line` */
  bytes?: Uint8Array;
  /** of a serial line, whose text `line` is: all bytes since the line before, ends of lines with them */
  raw?: Uint8Array;
  /** ms since the epoch */
  timestamp: number;
}
export interface ConsoleEvent extends Subject {
  /** a line of the serial line that means something: firmware, kernel, a walt-init step, panic */
  line: string;
}
export interface QemuEvent extends Subject {
  phase: 'started' | 'stopped' | 'reset' | 'panicked';
  detail?: string;
}
export interface NodeEvent extends Subject {
  state: string;
  reason?: string;
}
export interface WarningEvent extends Subject {
  /** one sentence; the boot goes on */
  sentence: string;
}
/** Files of its image on the way to a node's disk; `bytes` counts what was sent of the tar with `totalBytes`. */
export interface CopyEvent extends Subject {
  phase: 'start' | 'progress' | 'end';
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  /** undefined while it cannot be told */
  secondsLeft?: number;
  /** why it broke off */
  cause?: string;
}
/** A service that the init system of a node has started. */
export interface ServiceEvent extends Subject {
  name: string;
  /** ms since the epoch, by the lab's clock */
  startedAt: number;
  /** until it was up, or had done its work */
  durationMs: number;
  failed: boolean;
}
export interface ImageEvent extends Subject {
  phase: 'added' | 'removed';
  name: string;
}

export type BusEvent = EventBody & {
  /** grows by one; starts at 1 in each daemon */
  seq: number;
  /** ms since the epoch */
  time: number;
  /** ms of the daemon's monotonic clock */
  mono: number;
};
export type Publish = (event: EventBody) => void;

/** Fills in who a packet's sender is. Must be fast: it is called for each event. */
export type SubjectResolver = (subject: Subject) => Subject;

export class EventBus {
  #seq = 0;
  #listeners = new Set<(event: BusEvent) => void>();
  #resolve: SubjectResolver = (subject) => subject;

  setResolver(resolve: SubjectResolver): void {
    this.#resolve = resolve;
  }

  readonly publish: Publish = (body) => {
    const event: BusEvent = {
      ...body,
      ...this.#resolve({ node: body.node, client: body.client }),
      seq: ++this.#seq,
      time: Date.now(),
      mono: performance.now(),
    };
    for (const listener of this.#listeners) listener(event);
  };

  /** Returns the function that ends the subscription. A listener must not throw. */
  subscribe(listener: (event: BusEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
