import { BootyardError, messageOf } from '../../backend/errors.ts';
import { Emitter, type Disposable } from './emitter.ts';
import type { ApiClient, CallOptions } from '../../backend/api/client.ts';
import type { LabAccess, LabClient } from './lab-client.ts';
import { LabModel } from './lab-model.ts';

/**
 * `stopped`: no lab runs. `failing`: a lab runs (or ran a moment ago) and its daemon does not answer; the keeper starts
 * it again, so this heals by itself.
 */
export type ConnectionState = 'unknown' | 'stopped' | 'starting' | 'running' | 'failing';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2000;
/** How soon a lab that somebody else started is noticed. */
const LOOK_MS = 2000;

/** Milliseconds before attempt number `attempt` (from 0) to reach a daemon that is gone. */
export function retryDelay(attempt: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** attempt, LAST_RETRY_MS);
}

/** The window's one connection to the lab: finds it, starts it on demand, comes back after the daemon's death. */
export class LabConnection implements Disposable {
  readonly model = new LabModel();
  readonly #access: LabAccess;
  readonly #log: (line: string) => void;
  readonly #states = new Emitter<ConnectionState>();
  #state: ConnectionState = 'unknown';
  #failure: Error | undefined;
  /** the failure that listeners know of */
  #told: string | undefined;
  #client: LabClient | undefined;
  #starting: Promise<LabClient> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #disposed = false;

  readonly onState = this.#states.event;

  constructor(access: LabAccess, log: (line: string) => void) {
    this.#access = access;
    this.#log = log;
  }

  get state(): ConnectionState {
    return this.#state;
  }
  /** Why the state is `failing`, one sentence. */
  get failure(): string | undefined {
    return this.#failure?.message;
  }
  /** Its code, such as `lab.lost` for a daemon that died a moment ago. */
  get failureCode(): string | undefined {
    return this.#failure instanceof BootyardError ? this.#failure.code : this.#failure && 'lab.unknown';
  }
  get client(): LabClient | undefined {
    return this.#client;
  }

  /** Begins to look for a lab; never starts one. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#disposed || this.#client || this.#starting) return;
    try {
      const client = await this.#access.attach();
      if (client) await this.#use(client);
      else this.#stopped();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The lab's client; starts the lab when it does not run. */
  async require(options: Required<CallOptions>): Promise<LabClient> {
    if (this.#client) return this.#client;
    this.#starting ??= this.#start(options).finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /** Calls the daemon of a lab that runs; without one, fails with one sentence. */
  readonly call: ApiClient['call'] = (method, params, options) => {
    if (!this.#client) {
      return Promise.reject(
        new BootyardError('lab.notRunning', 'The lab is not running: start it and try again.'),
      );
    }
    return this.#client.call(method, params, options);
  };

  async stop(options: Required<CallOptions>): Promise<void> {
    await this.#access.stop(options);
    this.#leave();
    this.#stopped();
  }

  /** Lets go of the daemon and looks again: for another lab, or because the user does not want to wait. */
  async reconnect(): Promise<void> {
    this.#leave();
    this.#attempts = 0;
    await this.look();
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#leave();
    this.#states.dispose();
  }

  async #start(options: Required<CallOptions>): Promise<LabClient> {
    clearTimeout(this.#timer);
    this.#become('starting');
    try {
      const client = await this.#access.start(options);
      await this.#use(client);
      return client;
    } catch (error) {
      if (options.signal.aborted) this.#stopped();
      else this.#fail(error);
      throw error;
    }
  }

  async #use(client: LabClient): Promise<void> {
    if (this.#disposed || this.#client) {
      client.dispose();
      return;
    }
    this.#client = client;
    client.onClose(() => this.#lost(client));
    try {
      await client.subscribe(this.model.apply);
    } catch (error) {
      if (this.#client === client) this.#leave();
      throw error;
    }
    if (this.#client !== client)
      throw new BootyardError('lab.lost', 'The daemon ended while it was being asked.');
    this.#attempts = 0;
    this.#become('running');
    // Engines may take seconds to answer; a lab is there without them.
    client.call('engine.list', {}).then(
      (engines) => this.#client === client && this.model.setEngines(engines),
      (error: unknown) => this.#log(`engines are not known: ${messageOf(error)}`),
    );
  }

  #lost(client: LabClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    if (this.#disposed) return;
    this.#log('the connection to the daemon ended');
    this.#fail(new BootyardError('lab.lost', 'The daemon ended; it is being started again.'));
  }

  #leave(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.dispose();
  }

  /** What was known stays on show while the daemon is away: nodes live on without it. */
  #fail(error: unknown): void {
    if (this.#disposed) return;
    this.#failure = error instanceof Error ? error : new Error(messageOf(error));
    this.#become('failing');
    this.#lookAgain(retryDelay(this.#attempts++));
  }

  #stopped(): void {
    if (this.#disposed) return;
    this.#attempts = 0;
    this.model.clear();
    this.#become('stopped');
    this.#lookAgain(LOOK_MS);
  }

  #lookAgain(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), delayMs);
  }

  #become(state: ConnectionState): void {
    const told = `${this.#state} ${this.#told}`;
    if (state !== 'failing') this.#failure = undefined;
    this.#told = this.#failure?.message;
    if (told === `${state} ${this.#told}`) return;
    this.#state = state;
    this.#states.fire(state);
  }
}
