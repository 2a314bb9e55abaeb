import type { Finding } from '../../boot/lint/finding.ts';
import { nodeModel } from '../../boot/models.ts';
import type { Evidence } from '../../events/explanation.ts';
import type { StoredEvent } from '../../events/steps.ts';
import { printable } from '../../events/timeline.ts';
import { MAIN_NETWORK, parseNetworks, type Restrictions } from '../networks/setting.ts';
import type { FullSettings } from '../settings.ts';

/** How a boot, or a booted node's machine, came to what is to be explained. */
export interface BootEnd {
  kind:
    | 'stalled'
    | 'panicked'
    | 'rebooted'
    | 'not started'
    | 'crashed'
    | 'given up'
    | 'unreachable'
    | 'paused'
    | 'booted';
  /** in words, without a period: what is said when nothing more is known */
  text: string;
  /** of the error, when it did not start */
  code?: string;
  /** rebooted: for how many times in a row without getting booted */
  times?: number;
}

/** What is known of one boot. */
export interface BootFacts {
  node: string;
  image: string;
  model: string;
  /** stage of the timeline */
  stage: string;
  end: BootEnd;
  events: readonly StoredEvent[];
  /** the last lines that it printed, of this boot alone */
  console: readonly string[];
  /** what the check of the image finds; none when it was not checked */
  findings: readonly Finding[];
  settings: FullSettings;
  /** what its port 22 answers: somebody listens, nobody does, nothing comes back; `refused`: our key was */
  ssh?: 'open' | 'closed' | 'silent' | 'refused';
}

type Of<K extends StoredEvent['kind']> = Extract<StoredEvent, { kind: K }>;
type Transfer = Of<'tftp' | 'http'>;

/** The facts of a boot, as causes ask for them. What nodes say is made printable. */
export class BootCase {
  readonly facts: BootFacts;

  constructor(facts: BootFacts) {
    this.facts = facts;
  }

  is(...kinds: BootEnd['kind'][]): boolean {
    return kinds.includes(this.facts.end.kind);
  }
  isIn(...stages: string[]): boolean {
    return stages.includes(this.facts.stage);
  }

  /** The last line of the console that matches. */
  line(pattern: RegExp): RegExpExecArray | undefined {
    for (const line of this.facts.console.toReversed()) {
      const found = pattern.exec(printable(line));
      if (found) return found;
    }
    return undefined;
  }

  finding(...rules: string[]): Finding | undefined {
    return this.facts.findings.find(({ rule }) => rules.includes(rule));
  }

  /** The last request for a file that was refused. */
  refused(path: RegExp): Transfer | undefined {
    return this.#transfers().findLast((event) => event.phase === 'refused' && path.test(event.path));
  }
  /** A file that was sent whole. */
  sent(path: RegExp): Transfer | undefined {
    return this.#transfers().findLast(
      (event) => event.phase === 'end' && event.cause === undefined && path.test(event.path),
    );
  }
  /** A file that is on its way, or whose transfer broke off. */
  unfinished(): Transfer | undefined {
    const last = this.#transfers().findLast(({ phase }) => phase === 'start' || phase === 'end');
    return last?.phase === 'start' || last?.cause !== undefined ? last : undefined;
  }
  /** A file whose last transfer broke off. */
  brokenOff(path: RegExp): Transfer | undefined {
    const last = this.#transfers().findLast((event) => event.phase !== 'start' && path.test(event.path));
    return last?.phase === 'end' && last.cause !== undefined ? last : undefined;
  }
  #transfers(): Transfer[] {
    return this.facts.events.filter((event) => event.kind === 'tftp' || event.kind === 'http');
  }

  get dhcp(): Of<'dhcp'>[] {
    return this.facts.events.filter((event) => event.kind === 'dhcp');
  }
  get mounts(): Of<'mount'>[] {
    return this.facts.events.filter((event) => event.kind === 'mount');
  }

  /** What the setting `networks` does to the network that nodes boot from. */
  get restrictions(): Restrictions {
    const all = parseNetworks(this.facts.settings.networks);
    return all.find(({ name }) => name === MAIN_NETWORK)?.restrictions ?? {};
  }

  /** The script that the first stage asks for. */
  get bootScript(): string {
    return nodeModel(this.facts.model).bootScript;
  }
  get bootFolder(): string {
    return `/boot/${this.facts.model}`;
  }
}

export const fromConsole = (line: string | undefined): Evidence[] =>
  line === undefined ? [] : [{ kind: 'console', text: printable(line.trim()) }];
export const fromFinding = (finding: Finding | undefined): Evidence[] =>
  finding ? [{ kind: 'file', text: `${finding.path}: ${finding.message}` }] : [];
export const fromSetting = (name: string, value: string | number): Evidence[] => [
  { kind: 'setting', text: `${name}=${value}` },
];
export const fromMachine = (text: string): Evidence[] => [{ kind: 'machine', text: printable(text) }];
export function fromRequest(event: Of<'tftp' | 'http' | 'mount' | 'dhcp'> | undefined): Evidence[] {
  if (!event) return [];
  if (event.kind === 'dhcp') {
    return [
      {
        kind: 'request',
        text: printable(`DHCP ${event.message}: ${event.answer ?? 'no answer'} (${event.cause})`),
      },
    ];
  }
  const outcome = event.cause ?? (event.kind === 'mount' ? 'mounted' : event.phase);
  return [{ kind: 'request', text: printable(`${event.kind} ${event.path}: ${outcome}`) }];
}
