import type { Publish } from '../../events/bus.ts';
import { Activity } from './activity.ts';
import type { RpcCall } from './rpc.ts';

/** Sender addresses may be forged: of more than this the oldest is forgotten. */
const MOST = 256;

interface UdpClient {
  call: RpcCall;
  activity: Activity;
}

/** What is kept of each client that sends datagrams: the call that its requests are decoded into, and its totals. */
export class UdpClients {
  readonly #makeCall: (client: string) => RpcCall;
  readonly #publish: Publish;
  readonly #clients = new Map<string, UdpClient>();

  constructor(makeCall: (client: string) => RpcCall, publish: Publish) {
    this.#makeCall = makeCall;
    this.#publish = publish;
  }

  callOf(client: string): RpcCall {
    return (this.#clients.get(client) ?? this.#add(client)).call;
  }

  noteServed(client: string): void {
    this.#clients.get(client)?.activity.note();
  }

  drop(client: string): void {
    this.#clients.get(client)?.activity.end();
    this.#clients.delete(client);
  }

  close(): void {
    for (const client of this.#clients.keys()) this.drop(client);
  }

  #add(client: string): UdpClient {
    const call = this.#makeCall(client);
    const added = { call, activity: new Activity(client, call, this.#publish) };
    this.#clients.set(client, added);
    for (const oldest of this.#clients.keys()) {
      if (this.#clients.size <= MOST) break;
      this.drop(oldest);
    }
    return added;
  }
}
