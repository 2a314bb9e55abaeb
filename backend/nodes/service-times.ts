import { nodeOutput } from '../agent/node-output.ts';
import { messageOf } from '../errors.ts';
import type { BusEvent, EventBus, ServiceEvent } from '../events/bus.ts';

/** Time to answer, ms; systemd may still be busy with what it starts behind the boot. */
const LIMIT_MS = 30_000;
/** A node's answer is its own: it gets no more of the memory than this. */
const MAX_BYTES = 1024 * 1024;
const MAX_SERVICES = 200;
const FIELDS = ['Id', 'ActiveState', 'InactiveExit', 'ActiveEnter', 'InactiveEnter'] as const;
const PROPERTIES = FIELDS.map((name) =>
  name.includes('Enter') || name.includes('Exit') ? `${name}TimestampMonotonic` : name,
);
const COMMAND = `cut -d' ' -f1 /proc/uptime; systemctl show --property=${PROPERTIES.join(',')} '*.service'`;

export interface ServiceTimesParts {
  bus: EventBus;
  /** whether the system that a node booted has systemd */
  hasSystemd: (mac: string) => boolean;
  argv: (ip: string, command: string) => string[];
  log: (line: string) => void;
}

/** Asks systemd of each node that got booted when its services started, and puts that on the bus. */
export class ServiceTimes {
  readonly #parts: ServiceTimesParts;
  readonly #ending = new AbortController();
  readonly #end: () => void;

  constructor(parts: ServiceTimesParts) {
    this.#parts = parts;
    this.#end = parts.bus.subscribe((event) => this.#take(event));
  }

  close(): void {
    this.#end();
    this.#ending.abort();
  }

  #take(event: BusEvent): void {
    const { node, client } = event;
    if (event.kind !== 'agent' || event.phase !== 'booted' || !node || !client) return;
    const { hasSystemd, log } = this.#parts;
    if (!hasSystemd(node)) return;
    this.#ask(node, client).catch((error: unknown) => {
      if (!this.#ending.signal.aborted)
        log(`the services of ${client} are not on record: ${messageOf(error)}`);
    });
  }

  async #ask(node: string, client: string): Promise<void> {
    const { argv, bus } = this.#parts;
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(LIMIT_MS)]);
    let text = '';
    for await (const chunk of nodeOutput(argv(client, COMMAND), signal)) {
      text += chunk.toString();
      if (text.length > MAX_BYTES) throw new Error('systemd says too much');
    }
    for (const service of servicesIn(text, Date.now()))
      bus.publish({ kind: 'service', node, client, ...service });
  }
}

/** What systemd has started, in that order. `now`: when the answer came, which begins with the seconds since the kernel began. */
export function servicesIn(text: string, now: number): Omit<ServiceEvent, 'node' | 'client'>[] {
  const [uptime = '', ...rest] = text.split('\n');
  const kernelAt = now - Number(uptime) * 1000;
  if (!Number.isFinite(kernelAt)) return [];
  const services = rest
    .join('\n')
    .split('\n\n')
    .flatMap((block) => serviceOf(block, kernelAt) ?? []);
  return services.sort((one, other) => one.startedAt - other.startedAt).slice(0, MAX_SERVICES);
}

function serviceOf(block: string, kernelAt: number): Omit<ServiceEvent, 'node' | 'client'> | undefined {
  const values = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at).replace('TimestampMonotonic', ''), line.slice(at + 1)];
    }),
  );
  const ms = (name: (typeof FIELDS)[number]): number => Number(values.get(name) ?? 0) / 1000;
  const [start, end] = [ms('InactiveExit'), ms('ActiveEnter') || ms('InactiveEnter')];
  const name = values.get('Id') ?? '';
  if (name === '' || !(start > 0)) return undefined;
  const durationMs = end > start ? end - start : 0;
  return {
    name: name.slice(0, 200),
    startedAt: kernelAt + start,
    durationMs,
    failed: values.get('ActiveState') === 'failed',
  };
}
