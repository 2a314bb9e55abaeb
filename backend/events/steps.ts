import * as z from 'zod';
import { isInitStart, printable, type BootStage } from './timeline.ts';

/** One thing that happened in a boot: a message, a file, a mount, a step of walt-init, a line of the console. */
export const BootStep = z.object({
  kind: z.enum([
    'dhcp',
    'file',
    'mount',
    'nfs',
    'service',
    'walt-init',
    'console',
    'copy',
    'machine',
    'warning',
    'agent',
  ]),
  /** the stage that it began in */
  stage: z.string(),
  name: z.string(),
  /** ms since power-on */
  startMs: z.number(),
  /** 0 for what takes no time of its own */
  durationMs: z.number(),
  detail: z.string(),
  /** of a file or a copy: what was sent */
  bytes: z.number().optional(),
  /** TFTP: blocks sent again */
  resent: z.number().optional(),
  /** NFS: calls that were answered */
  calls: z.number().optional(),
  /** the file, by the path that was asked for */
  path: z.string().optional(),
  /** it was refused, or broke off */
  isFault: z.boolean().optional(),
});
export type BootStep = z.infer<typeof BootStep>;

const who = { client: z.string().optional(), time: z.number() };
const cause = z.string().optional();
const transfer = {
  ...who,
  phase: z.string(),
  path: z.string(),
  origin: z.string().optional(),
  bytes: z.number(),
  durationMs: z.number().optional(),
  resent: z.number().optional(),
  status: z.number().optional(),
  cause,
};
/** Events as a boot's record keeps them: what the bus published, maybe of an earlier version. Others are passed over. */
const StoredEvent = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('dhcp'),
    ...who,
    message: z.string(),
    vendorClass: z.string().optional(),
    userClass: z.string().optional(),
    architecture: z.number().optional(),
    answer: z.string().optional(),
    address: z.string().optional(),
    bootFile: z.string().optional(),
    cause: z.string(),
  }),
  z.object({ kind: z.literal('tftp'), ...transfer }),
  z.object({ kind: z.literal('http'), ...transfer }),
  z.object({ kind: z.literal('mount'), ...who, path: z.string(), ok: z.boolean(), cause }),
  z.object({
    kind: z.literal('nfs'),
    ...who,
    connection: z.string(),
    since: z.number(),
    operations: z.number(),
    bytesRead: z.number(),
  }),
  z.object({
    kind: z.literal('service'),
    ...who,
    name: z.string(),
    startedAt: z.number(),
    durationMs: z.number(),
    failed: z.boolean(),
  }),
  z.object({ kind: z.literal('console'), ...who, line: z.string() }),
  z.object({
    kind: z.literal('copy'),
    ...who,
    phase: z.string(),
    files: z.number(),
    bytes: z.number(),
    cause,
  }),
  z.object({ kind: z.literal('qemu'), ...who, phase: z.string(), detail: z.string().optional() }),
  z.object({ kind: z.literal('warning'), ...who, sentence: z.string() }),
  z.object({ kind: z.literal('agent'), ...who, phase: z.string(), detail: z.string().optional() }),
]);
export type StoredEvent = z.infer<typeof StoredEvent>;
type Of<K extends StoredEvent['kind']> = Extract<StoredEvent, { kind: K }>;
type Open = Omit<BootStep, 'stage'>;

export interface StepsOptions {
  /** ms since the epoch */
  startedAt: number;
  /** where what has not ended ends, ms since power-on */
  totalMs: number;
  stages: readonly BootStage[];
}

/** The steps of a boot in the order in which they began, from the events of its record. */
export function bootSteps(events: readonly unknown[], options: StepsOptions): BootStep[] {
  const builder = new StepBuilder(options.startedAt);
  for (const event of storedEvents(events)) builder.take(event);
  return builder.end(options.totalMs).map((step) => ({ ...step, stage: stageOf(step, options.stages) }));
}

/** The events of a record that are known here. */
export function storedEvents(events: readonly unknown[]): StoredEvent[] {
  return events.flatMap((event) => {
    const known = StoredEvent.safeParse(event);
    return known.success ? [known.data] : [];
  });
}

/** The stage that begins with such a step. */
const BEGUN: Partial<Record<BootStep['kind'], string>> = {
  dhcp: 'dhcp',
  file: 'boot files',
  console: 'kernel',
  mount: 'root',
  'walt-init': 'walt-init',
};
/** Stages go by the monotonic clock and steps by the other one: the same moment may differ by so many ms. */
const CLOCKS_MS = 2;

function stageOf({ kind, startMs: ms }: Open, stages: readonly BootStage[]): string {
  const begun = stages.findLast(
    ({ name, startMs }) => startMs <= ms + (name === BEGUN[kind] ? CLOCKS_MS : 0),
  );
  return begun?.name ?? stages[0]?.name ?? '';
}

class StepBuilder {
  readonly #startedAt: number;
  readonly #steps: Open[] = [];
  /** transfers that go on, by protocol, client and path */
  readonly #transfers = new Map<string, Open>();
  /** by connection */
  readonly #nfs = new Map<string, Open>();
  readonly #services = new Set<string>();
  #waltInit: Open | undefined;
  #copy: Open | undefined;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  take(event: StoredEvent): void {
    const at = Math.max(0, event.time - this.#startedAt);
    switch (event.kind) {
      case 'dhcp':
        return this.#dhcp(event, at);
      case 'tftp':
      case 'http':
        return this.#transfer(event, at);
      case 'mount':
        this.#add('mount', at, event.path, event.cause ?? '', { path: event.path, isFault: !event.ok });
        return;
      case 'nfs':
        return this.#served(event, at);
      case 'service':
        return this.#service(event);
      case 'console':
        return this.#console(event.line, at);
      case 'copy':
        return this.#copied(event, at);
      case 'qemu':
        this.#add('machine', at, event.phase, event.detail ?? '', { isFault: event.phase === 'panicked' });
        return;
      case 'warning':
        this.#add('warning', at, event.sentence, '');
        return;
      case 'agent':
        if (event.phase === 'asked') return;
        this.#add('agent', at, event.phase, event.detail ?? '', { isFault: event.phase === 'failed' });
    }
  }

  end(totalMs: number): Open[] {
    for (const step of this.#transfers.values()) {
      close(step, totalMs);
      step.detail = withMore(step.detail, 'not ended');
    }
    if (this.#waltInit) close(this.#waltInit, totalMs);
    if (this.#copy) close(this.#copy, totalMs);
    return this.#steps.toSorted((one, other) => one.startMs - other.startMs);
  }

  #add(
    kind: BootStep['kind'],
    startMs: number,
    name: string,
    detail: string,
    { isFault = false, ...more }: Partial<BootStep> = {},
  ): Open {
    const step: Open = {
      kind,
      name: printable(name),
      startMs,
      durationMs: 0,
      detail: printable(detail),
      ...more,
    };
    if (isFault) step.isFault = true;
    this.#steps.push(step);
    return step;
  }

  #dhcp({ message, answer, address, bootFile, cause: why }: Of<'dhcp'>, at: number): void {
    const answered = answer === undefined ? 'no answer' : `${answer} ${address ?? ''}`.trim();
    const detail = bootFile === undefined || bootFile === '' ? why : `${why}; boot file ${bootFile}`;
    this.#add('dhcp', at, `${message}: ${answered}`, detail, { isFault: !answer || answer === 'NAK' });
  }

  #transfer(event: Of<'tftp' | 'http'>, at: number): void {
    const { kind, client, path, phase, bytes } = event;
    const key = `${kind} ${client ?? ''} ${path}`;
    const name = `${kind} ${path}`;
    if (phase === 'refused') {
      this.#add('file', at, name, event.cause ?? String(event.status ?? 'not served'), {
        path,
        isFault: true,
      });
    } else if (phase === 'start') {
      this.#transfers.set(key, this.#add('file', at, name, event.origin ?? '', { path, bytes: 0 }));
    } else if (phase === 'end') {
      const started = at - (event.durationMs ?? 0);
      const step = this.#transfers.get(key) ?? this.#add('file', Math.max(0, started), name, '', { path });
      this.#transfers.delete(key);
      close(step, at);
      step.bytes = bytes;
      if (event.resent) step.resent = event.resent;
      if (event.cause === undefined) return;
      step.detail = withMore(step.detail, printable(`broke off: ${event.cause}`));
      step.isFault = true;
    }
  }

  /** Totals of a connection: the last ones count. */
  #served({ connection, since, operations, bytesRead }: Of<'nfs'>, at: number): void {
    const startMs = Math.max(0, since - this.#startedAt);
    const step = this.#nfs.get(connection) ?? this.#add('nfs', startMs, 'nfs', '', { bytes: 0 });
    this.#nfs.set(connection, step);
    close(step, at);
    step.bytes = bytesRead;
    step.calls = operations;
    step.detail = operations === 1 ? '1 call' : `${operations} calls`;
  }

  /** A new daemon hears that its node is booted, and asks again. */
  #service({ name, startedAt, durationMs, failed }: Of<'service'>): void {
    if (this.#services.has(name)) return;
    this.#services.add(name);
    const startMs = Math.max(0, startedAt - this.#startedAt);
    this.#add('service', startMs, name, failed ? 'failed' : '', { durationMs, isFault: failed });
  }

  #console(line: string, at: number): void {
    const label = /^\*\*\* (.+?)\s*\*\*\*$/.exec(line)?.[1];
    if (label === undefined) {
      this.#add('console', at, line, '', { isFault: /Kernel panic|^\[FAILED\]|Out of memory/.test(line) });
      return;
    }
    if (this.#waltInit) close(this.#waltInit, at);
    const step = this.#add('walt-init', at, label.replace(/\.{3}$/, ''), '');
    // With its last step walt-init ends, and the image's own init begins.
    this.#waltInit = isInitStart(label) ? undefined : step;
  }

  #copied({ phase, files, bytes, cause: why }: Of<'copy'>, at: number): void {
    this.#copy ??= this.#add('copy', at, 'copy of the image to the disk', '');
    close(this.#copy, at);
    this.#copy.bytes = bytes;
    if (phase !== 'end') return;
    this.#copy.detail = printable(`${files} files${why === undefined ? '' : `, broke off: ${why}`}`);
    if (why !== undefined) this.#copy.isFault = true;
    this.#copy = undefined;
  }
}

const withMore = (detail: string, more: string): string => [detail, more].filter(Boolean).join('; ');

function close(step: Open, at: number): void {
  step.durationMs = Math.max(0, at - step.startMs);
}
