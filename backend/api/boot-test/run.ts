import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import { STAGES } from '../../events/timeline.ts';
import type { ApiClient } from '../client.ts';
import type { Progress } from '../contract.ts';
import { eachRecord } from '../log-lines.ts';
import type { NodeInfo } from '../node.ts';
import { printable } from '../printable.ts';
import type { Position } from '../yaml-file.ts';
import type { BootCase } from './cases.ts';
import { checkCommands, shellOf } from './commands.ts';
import { ConsoleWatch } from './console-watch.ts';
import type { LinePattern, StageName } from './file.ts';
import { wrongReads } from './files-read.ts';
import { fillDisk } from './full-disk.ts';
import { type Excess, tooMuch, tooSlow, tooSlowBeside } from './limits.ts';
import { startNode, type TestNode } from './node.ts';
import { LogWatch } from './pattern-watch.ts';
import { References } from './references.ts';

export type Client = Pick<ApiClient, 'call' | 'stream' | 'openConsole'>;
/** An expectation that was not met, at its place in the file. */
export interface Failure extends Position {
  message: string;
}
export interface CaseResult {
  name: string;
  file: string;
  failures: Failure[];
  /** of the whole case */
  seconds: number;
  /** from power-on to booted; null when it was not */
  bootSeconds: number | null;
  /** the last lines of the console */
  console: string[];
  /** the node, when it was kept */
  node: string | null;
}
export interface RunOptions {
  signal: AbortSignal;
  /** the node of a case that fails stays, as one of the lab */
  keep: boolean;
  onProgress: (progress: Progress) => void;
  /** the node, when its machine runs; a list shows it if it is to be kept */
  onNode?: (node: string) => void;
}

const LOOK_MS = 300;
const LOOKS_AFTER = 10;
const LINES = ['console', 'logs'] as const;
type Lines = (typeof LINES)[number];
const SAYS: Readonly<Record<Lines, string>> = { console: 'The console shows', logs: 'The node logs' };
/** What a node says. */
interface Watches {
  console: ConsoleWatch;
  logs: LogWatch;
}
const MOST_FINDINGS = 3;

/** Runs boot tests one after the other; boots of references are made once. */
export class BootTestRunner {
  readonly #client: Client;
  readonly #references: References;

  constructor(client: Client) {
    this.#client = client;
    this.#references = new References((test, signal) => this.#bootSeconds(test, signal));
  }

  /** Throws the reason of the signal, and when the lab is lost; all else that goes wrong is a failure of the case. */
  async run(test: BootCase, options: RunOptions): Promise<CaseResult> {
    const begun = performance.now();
    const { console, logs } = test.spec.expect;
    const watches = { console: new ConsoleWatch(console), logs: new LogWatch(logs) };
    const over = new AbortController();
    const failures: Failure[] = [];
    let node: TestNode | undefined;
    let bootSeconds: number | null = null;
    try {
      node = await startNode(this.#client, test, options.keep, options.signal);
      options.onNode?.(node.name);
      await this.#follow(node.name, watches, AbortSignal.any([options.signal, over.signal]));
      const run = new CaseRun(this.#client, test, node.name, watches, options);
      failures.push(...(await run.boot()));
      bootSeconds = run.bootSeconds;
      if (failures.length === 0) failures.push(...(await run.afterBoot(this.#references)));
    } catch (error) {
      if (options.signal.aborted || !isFailure(error)) throw error;
      failures.push({ ...test.placeOf(['image']), message: error.message });
    } finally {
      over.abort();
      await node?.release(failures.length > 0 && !options.signal.aborted);
    }
    const seconds = Math.round(performance.now() - begun) / 1000;
    const kept = options.keep && failures.length > 0 ? (node?.name ?? null) : null;
    const { name, file } = test;
    return { name, file, failures, seconds, bootSeconds, console: watches.console.lines, node: kept };
  }

  /** Until `signal` is aborted. */
  async #follow(node: string, { console, logs }: Watches, signal: AbortSignal): Promise<void> {
    const serial = await this.#client.openConsole(node, { history: true, signal });
    serial.onData((bytes) => console.feed(bytes));
    // It ends with its node.
    serial.onEnd(() => undefined);
    const { stream } = await this.#client.call('log.read', { issuers: [node], realtime: true }, { signal });
    // What breaks it off ends the calls of the case, too, and these say so.
    eachRecord(this.#client.stream(stream), signal, (record) => logs.take(record)).catch(() => undefined);
  }

  /** Of a boot that must succeed. */
  async #bootSeconds(test: BootCase, signal: AbortSignal): Promise<number> {
    const node = await startNode(this.#client, test, false, signal);
    try {
      const options = { signal, keep: false, onProgress: () => undefined };
      const watches = { console: new ConsoleWatch([]), logs: new LogWatch([]) };
      const run = new CaseRun(this.#client, test, node.name, watches, options);
      const [failure] = await run.boot();
      if (failure || run.bootSeconds === null)
        throw new BootyardError('test.reference', failure?.message ?? '');
      return run.bootSeconds;
    } finally {
      await node.release(false);
    }
  }
}

/** What a call refuses is about the case; what ends a connection, or is a fault of ours, is not. */
function isFailure(error: unknown): error is BootyardError {
  return error instanceof BootyardError && !/^(api|call)\./.test(error.code);
}

/** The expectations of one boot. */
class CaseRun {
  bootSeconds: number | null = null;
  readonly #client: Client;
  readonly #test: BootCase;
  readonly #node: string;
  readonly #watches: Watches;
  readonly #options: RunOptions;
  /** when the servers are there again */
  #cutEnd: number | undefined;
  /** when the boot that counts began */
  #begun: string | null = null;

  constructor(client: Client, test: BootCase, node: string, watches: Watches, options: RunOptions) {
    this.#client = client;
    this.#test = test;
    this.#node = node;
    this.#watches = watches;
    this.#options = options;
  }

  /** Until the stage is reached and the console shows what it must, or until neither will be. */
  async boot(): Promise<Failure[]> {
    const { signal } = this.#options;
    const { timeout, expect } = this.#test.spec;
    const end = performance.now() + timeout * 1000;
    let settled = Infinity;
    let looksAfter = 0;
    for (;;) {
      const info = await this.#look();
      const hasRebooted = info.bootStartedAt !== this.#begun;
      if (hasRebooted && (await this.#hasPanicked())) break;
      const isReached = await this.#isReached(info);
      if (isReached && settled === Infinity) {
        const failure = await this.#fillDisk();
        if (failure) return [failure];
      }
      const now = performance.now();
      if (isReached && settled === Infinity) settled = expect.panic ? end : now + expect.settle * 1000;
      if (isReached && (this.#isQuiet(info) || now >= settled)) break;
      if (!isReached && isOver(info)) return [await this.#notReached(reasonOf(info))];
      // The last lines of a panic may come a moment later than its reboot.
      if (!isReached && hasRebooted && looksAfter++ >= (expect.panic ? LOOKS_AFTER : 0))
        return [await this.#notReached(await this.#whyRebooted())];
      if (!isReached && now >= end)
        return [await this.#notReached(`it is at ${info.stage ?? info.state} after ${timeout} s.`)];
      await delay(LOOK_MS, undefined, { signal });
    }
    return this.#lineFailures();
  }

  async afterBoot(references: References): Promise<Failure[]> {
    const { expect } = this.#test.spec;
    const at = (path: PropertyKey[], message: string): Failure => ({
      ...this.#test.placeOf(['expect', ...path]),
      message: printable(message),
    });
    const commands = await checkCommands(this.#client, this.#node, expect.commands, this.#options);
    const failures = commands.map(({ index, message }) => at(['commands', index], message));
    if (commands[0]?.isSilent) await this.#explain(failures[0]);
    failures.push(...(await this.#reads()).map(({ index, message }) => at(['filesRead', index], message)));
    const excess = await this.#excess(references);
    failures.push(...excess.map(({ path, message }) => at(['limits', path], message)));
    const info = await this.#look();
    const hasFailed = info.state === 'failed' && /panic/i.test(info.reason ?? '');
    const isPanic = hasFailed || (await this.#hasPanicked());
    if (expect.panic && !isPanic) failures.push(at(['panic'], 'The kernel was to panic, and did not.'));
    else if (!expect.panic && isOver(info) && this.#test.stage === 'booted')
      failures.unshift(
        at(['panic'], `The node was booted, and then it was ${info.state}: ${reasonOf(info)}`),
      );
    // Also what the node has said since.
    failures.push(...this.#lineFailures());
    return failures;
  }

  /** The limits of the file that the boot has not kept. */
  async #excess(references: References): Promise<Excess[]> {
    const { limits } = this.#test.spec.expect;
    const { signal, onProgress } = this.#options;
    const took = this.bootSeconds;
    if (took === null) return [];
    const found = tooSlow(limits, took);
    if (limits.bytes !== undefined) {
      const record = await this.#client.call('node.timeline', { node: this.#node }, { signal });
      found.push(...tooMuch(limits, record));
    }
    if (!limits.reference) return found;
    const { image } = limits.reference;
    onProgress({ message: `${this.#test.name}: booting the reference ${image}` });
    try {
      return [...found, ...tooSlowBeside(limits, took, await references.of(this.#test, image, signal))];
    } catch (error) {
      if (signal.aborted || !isFailure(error)) throw error;
      const message = `The reference ${image} does not boot: ${error.message}`;
      return [...found, { path: 'reference', message }];
    }
  }

  async #look(): Promise<NodeInfo> {
    const { signal, onProgress } = this.#options;
    const [info] = await this.#client.call('node.list', { nodes: [this.#node] }, { signal });
    if (!info) throw new BootyardError('node.unknown', `The node ${this.#node} of this test is gone.`);
    onProgress({ message: `${this.#test.name}: ${info.stage ?? info.state}` });
    const { bootStartedAt, bootedAt } = info;
    this.#begun ??= bootStartedAt;
    if (bootStartedAt !== null && bootedAt !== null)
      this.bootSeconds = (Date.parse(bootedAt) - Date.parse(bootStartedAt)) / 1000;
    await this.#cutOff(info);
    return info;
  }

  /** The servers go silent when the boot gets to where the test wants that. */
  async #cutOff({ stage }: NodeInfo): Promise<void> {
    const { serverDown } = this.#test.spec.faults;
    if (!serverDown || this.#cutEnd !== undefined || !comesUpTo(stage, serverDown.at)) return;
    this.#cutEnd = performance.now() + serverDown.seconds * 1000;
    await this.#client.call(
      'bootTest.cutOff',
      { node: this.#node, seconds: serverDown.seconds },
      this.#options,
    );
  }

  async #fillDisk(): Promise<Failure | undefined> {
    const { fullDisk } = this.#test.spec.faults;
    if (fullDisk === undefined) return undefined;
    const run = await shellOf(this.#client, this.#node, this.#options);
    const message = typeof run === 'string' ? run : await fillDisk(run, fullDisk);
    if (message === undefined) return undefined;
    const failure = { ...this.#test.placeOf(['faults', 'fullDisk']), message: printable(message) };
    if (typeof run === 'string') await this.#explain(failure);
    return failure;
  }

  async #reads(): Promise<{ index: number; message: string }[]> {
    const { filesRead } = this.#test.spec.expect;
    if (filesRead.length === 0) return [];
    return wrongReads(filesRead, await this.#client.call('node.reads', { node: this.#node }, this.#options));
  }

  async #isReached(info: NodeInfo): Promise<boolean> {
    const { stage } = this.#test;
    if (info.bootedAt !== null || comesUpTo(info.stage, stage)) return true;
    // It may have come further between two looks.
    if (!isOver(info) || stage === 'booted') return false;
    const { stages } = await this.#client.call('node.timeline', { node: this.#node }, this.#options);
    return stages.some(({ name }) => comesUpTo(name, stage));
  }

  /** The first boot has ended in a panic that was to come, where it was to come: many kernels reboot then. */
  async #hasPanicked(): Promise<boolean> {
    if (!this.#test.spec.expect.panic || !this.#watches.console.hasPanic) return false;
    const { stages } = await this.#client.call('node.timeline', { node: this.#node, boot: 1 }, this.#options);
    return stages.some(({ name }) => comesUpTo(name, this.#test.stage));
  }

  /** Nothing that is waited for is left. */
  #isQuiet(info: NodeInfo): boolean {
    const { expect } = this.#test.spec;
    if (isOver(info)) return true;
    return !expect.panic && LINES.every((kind) => this.#isFound(kind, expect[kind]));
  }

  #isFound(kind: Lines, patterns: readonly LinePattern[]): boolean {
    return patterns.every(({ seen }, index) => seen === undefined || this.#watches[kind].found(index));
  }

  #lineFailures(): Failure[] {
    return LINES.flatMap((kind) =>
      this.#test.spec.expect[kind].flatMap(({ seen, never }, index) => {
        const line = this.#watches[kind].found(index);
        if ((line === undefined) === (seen === undefined)) return [];
        const message =
          line === undefined
            ? this.#missing(kind, seen ?? '')
            : `${SAYS[kind]} what it never may: '${line}' matches /${never}/.`;
        return [{ ...this.#test.placeOf(['expect', kind, index]), message: printable(message) }];
      }),
    );
  }

  #missing(kind: Lines, pattern: string): string {
    const { stage, spec } = this.#test;
    const where = kind === 'console' ? 'of the console' : 'that the node logs';
    const { last } = this.#watches[kind];
    return `No line ${where} matches /${pattern}/ within ${spec.expect.settle} s of ${stage}; the last line is '${last}'.`;
  }

  async #notReached(why: string): Promise<Failure> {
    const failure = {
      ...this.#test.placeOf(['expect', 'stage']),
      message: printable(`The boot did not come to ${this.#test.stage}: ${why}${this.#cutWords()}`),
    };
    await this.#explain(failure);
    return failure;
  }

  /** What the boot cannot know of why it stopped. */
  #cutWords(): string {
    const { serverDown } = this.#test.spec.faults;
    if (!serverDown || performance.now() >= (this.#cutEnd ?? 0)) return '';
    const { at, seconds } = serverDown;
    return ` The file has the servers of the lab down for the node from ${at} on, for ${seconds} s.`;
  }

  async #whyRebooted(): Promise<string> {
    const boots = await this.#client.call('node.boots', { node: this.#node }, this.#options);
    const reason = boots.at(-1)?.reason ?? 'nothing says why';
    // One that says so itself, and where.
    if (reason.startsWith('Rebooted by itself ')) return `the node r${reason.slice(1)}`;
    return `the node rebooted by itself (${reason}).`;
  }

  /** Adds what the check of the image knows. */
  async #explain(failure: Failure | undefined): Promise<void> {
    const { image, settings } = this.#test;
    const params = { image, ...(settings.ram === undefined ? {} : { ram: settings.ram }) };
    const findings = await this.#client.call('image.lint', params, this.#options).catch((error: unknown) => {
      if (isFailure(error)) return [];
      throw error;
    });
    if (!failure) return;
    const known = failure.message.toLowerCase();
    const errors = findings
      .filter(({ severity }) => severity === 'error')
      .filter(({ message: found }) => !known.includes(found.replace(/\.$/, '').toLowerCase()))
      .slice(0, MOST_FINDINGS);
    if (errors.length === 0) return;
    const said = errors.map(({ rule, message, fix }) => `${rule}: ${message} ${fix}`).join(' ');
    failure.message += printable(` The check of the image says: ${said}`);
  }
}

function isOver({ state }: NodeInfo): boolean {
  return state === 'failed' || state === 'off';
}
function reasonOf({ reason, state }: NodeInfo): string {
  return reason ?? `it is ${state}.`;
}
function comesUpTo(stage: string | null, wanted: StageName): boolean {
  const at = STAGES.findIndex((name) => name === stage);
  return at >= STAGES.indexOf(wanted);
}
