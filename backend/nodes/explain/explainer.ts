import { BootyardError, codeOf, messageOf } from '../../errors.ts';
import type { ExplainedBoot } from '../../events/boots.ts';
import type { Explanation } from '../../events/explanation.ts';
import { storedEvents } from '../../events/steps.ts';
import type { BootJournal } from '../boot-journal.ts';
import { ConsoleScanner } from '../console-scanner.ts';
import type { NodeInfo, NodeState } from '../info.ts';
import type { MachineEnd } from '../machine.ts';
import type { SupervisorParts } from '../parts.ts';
import { type NodeRecord, plannedOf } from '../registry.ts';
import { ramBytes, withDefaults } from '../settings.ts';
import { explain, UNKNOWN } from './explain.ts';
import type { BootEnd, BootFacts } from './facts.ts';

/** Of the console: what a boot prints after the kernel's first line is some 30 KB. */
const TAIL = 64 * 1024;
const DIVIDER = /^--- .+ ---$/;

/** Explains how a node's boot ended, and writes that down with the boot. */
export class Explainer {
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #journal: BootJournal;
  readonly #tail: (length: number) => string;

  /** `tail`: what the console printed last */
  constructor(
    record: NodeRecord,
    parts: SupervisorParts,
    journal: BootJournal,
    tail: (length: number) => string,
  ) {
    this.#record = record;
    this.#parts = parts;
    this.#journal = journal;
    this.#tail = tail;
  }

  /** Takes some seconds at most; never fails. */
  async explain(end: BootEnd): Promise<Explanation> {
    const explanation = explain(await this.#facts(end));
    this.#journal.explain(explanation);
    return explanation;
  }

  /** As things are now; undefined when nothing is known to be wrong. */
  async #look(end: BootEnd): Promise<Explanation | undefined> {
    const explanation = explain(await this.#facts(end));
    return explanation.cause === UNKNOWN ? undefined : explanation;
  }

  /** What kept a boot from beginning, with more to say if more is known. `startedAt`: of one that is not on record yet. */
  async refusal(error: unknown, startedAt: number | undefined): Promise<unknown> {
    if (startedAt !== undefined) this.#journal.beginUnstarted(startedAt);
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    const end: BootEnd = { kind: 'not started', text: messageOf(error), ...(code !== undefined && { code }) };
    const { cause, sentence } = await this.explain(end);
    return cause === UNKNOWN ? error : new BootyardError(codeOf(error), sentence);
  }

  /** A machine that ended by itself; undefined when there is nothing to explain. `where`: in words. */
  async machineEnd(
    kind: MachineEnd['kind'],
    detail: string | undefined,
    where: string,
  ): Promise<Explanation | undefined> {
    if (kind === 'crashed') return this.explain({ kind, text: `QEMU ended unexpectedly (${detail})` });
    if (kind !== 'reboot') return undefined;
    const { running } = this.#record;
    const times = running?.bootedAt === null ? running.selfReboots + 1 : 0;
    return this.explain({ kind: 'rebooted', text: where, times });
  }

  /** A boot by its number, or the last one, which is looked at as the node is now. Throws `node.noBoot`. */
  async ofBoot(number: number | undefined, { state, reason }: NodeInfo): Promise<ExplainedBoot> {
    const { isLast, events, ...boot } = this.#journal.explained(number);
    if (boot.explanation) return boot;
    const now = isLast ? await this.#now(state, boot.reason ?? reason) : undefined;
    if (now || isLast || boot.outcome !== 'failed') return { ...boot, explanation: now ?? null };
    const { name: node, model, settings } = this.#record;
    const end: BootEnd = { kind: 'stalled', text: boot.reason ?? 'the boot failed' };
    const known = { node, model, image: boot.image, stage: boot.stage, settings: withDefaults(settings) };
    return { ...boot, explanation: explainRecord({ ...known, end, events: storedEvents(events) }) };
  }

  async #now(state: NodeState, reason: string | null): Promise<Explanation | undefined> {
    if (state === 'booted') return this.#look({ kind: 'booted', text: 'it is booted' });
    const paused = /^Paused: (.+)\.$/.exec(reason ?? '')?.[1];
    if (state === 'unreachable' && paused !== undefined) return this.#look({ kind: 'paused', text: paused });
    return state === 'failed'
      ? this.#look({ kind: 'stalled', text: reason ?? 'the boot failed' })
      : undefined;
  }

  async #facts(end: BootEnd): Promise<BootFacts> {
    const { ip, name: node, model, image, running } = this.#record;
    const hasBegun = end.kind !== 'not started';
    const stage = hasBegun ? this.#journal.lastStage : 'power-on';
    const settings = withDefaults(running?.machine?.settings ?? this.#record.settings);
    const asksSsh =
      end.kind === 'booted' || end.kind === 'unreachable' || (end.kind === 'stalled' && stage === 'init');
    const [findings, ssh] = await Promise.all([
      this.#parts.planner.findings(plannedOf(this.#record), ramBytes(settings.ram)),
      asksSsh ? this.#parts.agent.ssh(ip, end.kind === 'booted') : undefined,
    ]);
    const lines = hasBegun ? linesOf(this.#tail(TAIL)) : [];
    const events = hasBegun ? storedEvents(this.#journal.events()) : [];
    return {
      node,
      image,
      model,
      stage,
      end,
      events,
      console: lines,
      findings,
      settings,
      ...(ssh && { ssh }),
    };
  }
}

/** Of a boot on record that nobody has explained: what its events tell. */
export function explainRecord(facts: Omit<BootFacts, 'console' | 'findings'>): Explanation {
  const lines = facts.events.flatMap((event) => (event.kind === 'console' ? [event.line] : []));
  return explain({ ...facts, console: lines, findings: [] });
}

/** The lines of the last machine, without what a terminal would obey. */
function linesOf(text: string): string[] {
  let lines: string[] = [];
  const scanner = new ConsoleScanner(() => undefined, {
    onText: (line) => {
      if (DIVIDER.test(line)) lines = [];
      else lines.push(line);
    },
  });
  scanner.feed(Buffer.from(text));
  scanner.end();
  return lines;
}
