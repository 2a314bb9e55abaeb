import * as z from 'zod';
import type { BusEvent, CopyEvent, TransferEvent } from './bus.ts';

export const BootStage = z.object({
  name: z.string(),
  /** ms since power-on */
  startMs: z.number(),
  durationMs: z.number(),
  /** what happened in it, one line */
  detail: z.string(),
});
export type BootStage = z.infer<typeof BootStage>;

/** Stages of a boot in their order. A boot may leave some out, and never goes back; one from a snapshot has two. */
export const STAGES = [
  'restore',
  'firmware',
  'dhcp',
  'boot files',
  'kernel',
  'root',
  'walt-init',
  'init',
  'booted',
] as const;
export type StageName = (typeof STAGES)[number];

/** A node may fetch any number of files: details name the first of them. */
const MAX_DETAIL = 600;

interface Stage {
  name: StageName;
  startMs: number;
  /** undefined while it goes on */
  endMs: number | undefined;
  parts: string[];
}

export interface BootTimelineOptions {
  /** performance.now() of power-on; below zero when an earlier daemon switched the node on */
  origin: number;
  /** called as a stage begins; `atMs` counts from power-on */
  onStage?: (stage: StageName, detail: string, atMs: number) => void;
}

/**
 * Builds the stages of one boot from the events of its node: power-on, DHCP, boot files, the kernel's first line, the
 * mount of the root, walt-init's steps, the image's own init, the boot notification.
 */
export class BootTimeline {
  readonly #options: BootTimelineOptions;
  readonly #stages: Stage[] = [];
  /** start of the current walt-init step, ms since power-on */
  #step: { label: string; startMs: number } | undefined;
  /** what a copy to the node's disk has come to, while it goes on */
  #copying: string | undefined;

  constructor(options: BootTimelineOptions) {
    this.#options = options;
  }

  /** A boot that goes on since before this daemon. Its last stage goes on unless the boot is over. */
  static restore(options: BootTimelineOptions, stages: readonly BootStage[], isOver: boolean): BootTimeline {
    const timeline = new BootTimeline(options);
    for (const stage of stages) {
      const name = STAGES.find((known) => known === stage.name);
      if (!name) continue;
      const endMs = stage.startMs + stage.durationMs;
      timeline.#stages.push({
        name,
        startMs: stage.startMs,
        endMs,
        parts: stage.detail ? [stage.detail] : [],
      });
    }
    const last = timeline.#stages.at(-1);
    if (last && !isOver) last.endMs = undefined;
    return timeline;
  }

  /** The stage that goes on, or the last one. */
  get current(): { name: StageName; detail: string } | undefined {
    const last = this.#stages.at(-1);
    return last && { name: last.name, detail: this.#step?.label ?? last.parts.at(-1) ?? '' };
  }
  get isOver(): boolean {
    return this.#stages.length > 0 && this.#stages.at(-1)?.endMs !== undefined;
  }

  /** Instead of a power-on: the machine goes on from a snapshot. */
  restored(detail: string): void {
    this.#enter('restore', performance.now(), detail);
  }

  powerOn(detail: string): void {
    this.#enter('firmware', performance.now(), detail);
  }

  /** Takes one event of this boot's node. Events after the boot's end change nothing. */
  take(event: BusEvent): void {
    if (this.isOver) return;
    switch (event.kind) {
      case 'dhcp':
        if (this.#before('boot files')) this.#enter('dhcp', event.mono, dhcpDetail(event));
        return;
      case 'tftp':
      case 'http':
        if (this.#before('kernel')) this.#transfer(event.kind, event, event.mono);
        return;
      case 'mount':
        if (event.ok) this.#enter('root', event.mono, event.path);
        else this.#note(`${event.path} refused: ${event.cause ?? 'not served'}`);
        return;
      case 'console':
        return this.#console(event.line, event.mono);
      case 'copy':
        this.#copying = event.phase === 'progress' ? copySentence(event)?.replace(/\.$/, '') : undefined;
        if (event.phase === 'end') this.#note(copyResult(event));
        return;
      case 'warning':
        return this.#note(`warning: ${event.sentence}`);
      case 'agent':
        if (event.phase === 'booted') this.#booted(event.mono);
        return;
      default:
        return;
    }
  }

  /** The boot ended otherwise than by being booted: the stage that went on ends now. */
  end(detail?: string): void {
    if (this.isOver) return;
    if (detail) this.#note(detail);
    this.#close(this.#at(performance.now()));
  }

  /** ms from power-on to the end, or to now. */
  totalMs(): number {
    const last = this.#stages.at(-1);
    return Math.round(last?.endMs ?? this.#at(performance.now()));
  }

  stages(): BootStage[] {
    const now = this.#at(performance.now());
    return this.#stages.map((stage) => ({
      name: stage.name,
      startMs: Math.round(stage.startMs),
      durationMs: Math.max(0, Math.round((stage.endMs ?? now) - stage.startMs)),
      detail: [...stage.parts, ...(stage.endMs === undefined && this.#copying ? [this.#copying] : [])]
        .join('; ')
        .slice(0, MAX_DETAIL),
    }));
  }

  #transfer(protocol: 'tftp' | 'http', event: TransferEvent, mono: number): void {
    const file = `${protocol} ${shortPath(event.path)}`;
    if (event.phase === 'start') return this.#enter('boot files', mono, '', file);
    if (event.phase === 'refused') {
      return this.#enter(
        'boot files',
        mono,
        `${file} refused: ${event.cause ?? event.status ?? 'not served'}`,
      );
    }
    const time = event.durationMs === undefined ? '' : ` in ${Math.round(event.durationMs)} ms`;
    const broken = event.cause ? `, broke off: ${event.cause}` : '';
    this.#enter('boot files', mono, `${file} ${size(event.bytes)}${time}${broken}`);
  }

  #console(line: string, mono: number): void {
    const version = /Linux version \S+/.exec(line)?.[0];
    if (version) return this.#enter('kernel', mono, version);
    const loader = /^U-Boot \d\S*/.exec(line)?.[0];
    if (loader) return this.#note(loader);
    const uefi = /^(?:>>| *)((?:Start (?:PXE|HTTP) |(?:PXE|HTTP)-E\d).+)$/.exec(line)?.[1];
    if (uefi !== undefined) return this.#note(`UEFI: ${uefi}`);
    const label = /^\*\*\* (.+?)\s*\*\*\*$/.exec(line)?.[1];
    if (label !== undefined) {
      if (isInitStart(label)) return this.#enter('init', mono, label);
      this.#enter('walt-init', mono, '', label);
      if (this.current?.name === 'walt-init') this.#nextStep(label, this.#at(mono));
      return;
    }
    if (/boot[- ]mode: |^Note: |: not enough room for /.test(line)) return this.#note(line);
    const issue = /^>>> (.+?)(?: *<<<)?$/.exec(line)?.[1];
    if (issue !== undefined && !issue.startsWith('Issue detected')) return this.#note(issue);
    if (/Kernel panic - not syncing|^\[FAILED\]|ipxe\.org\/[0-9a-f]{8}/.test(line)) this.#note(line);
  }

  #booted(mono: number): void {
    const at = this.#at(mono);
    const since = this.#stages[0]?.name === 'restore' ? 'the restore began' : 'power-on';
    this.#enter('booted', mono, `${(at / 1000).toFixed(1)} s after ${since}`);
    this.#close(at);
  }

  /** Begins a stage, or adds to it while it goes on. `first` is what the stage begins with if `detail` comes later. */
  #enter(name: StageName, mono: number, detail: string, first = detail): void {
    const at = this.#at(mono);
    const last = this.#stages.at(-1);
    if (last && STAGES.indexOf(last.name) > STAGES.indexOf(name)) return;
    if (last?.name === name) return this.#note(detail);
    if (last) this.#close(at);
    const text = printable(detail);
    this.#stages.push({ name, startMs: at, endMs: undefined, parts: text ? [text] : [] });
    this.#options.onStage?.(name, printable(first), Math.round(at));
  }

  #note(note: string): void {
    const detail = printable(note);
    const parts = this.#stages.at(-1)?.parts;
    if (!parts || detail === '' || parts.at(-1) === detail) return;
    if (parts.reduce((sum, part) => sum + part.length, 0) < MAX_DETAIL) parts.push(detail);
  }

  #nextStep(label: string, at: number): void {
    this.#endStep(at);
    this.#step = { label: printable(label).replace(/\.{3}$|\u2026$/, ''), startMs: at };
  }
  #endStep(at: number): void {
    if (this.#step) this.#note(`${this.#step.label} ${Math.round(at - this.#step.startMs)} ms`);
    this.#step = undefined;
  }

  #close(at: number): void {
    this.#endStep(at);
    const last = this.#stages.at(-1);
    if (last) last.endMs = Math.max(at, last.startMs);
  }

  #before(name: StageName): boolean {
    const last = this.#stages.at(-1);
    return !last || STAGES.indexOf(last.name) < STAGES.indexOf(name);
  }
  #at(mono: number): number {
    return Math.max(0, mono - this.#options.origin);
  }
}

function dhcpDetail(event: { message: string; answer?: string; address?: string; cause: string }): string {
  const answer = event.answer ? `${event.answer} ${event.address ?? ''}`.trim() : 'no answer';
  return event.answer && event.answer !== 'NAK'
    ? `${event.message}: ${answer}`
    : `${event.message}: ${answer} (${event.cause})`;
}

/** By the last step of walt-init: the image's own init is what comes. */
export function isInitStart(label: string): boolean {
  return /^Starting .*\binit\b/.test(label);
}

/** Details are shown in terminals, and nodes choose their words: no control characters, no more than a line. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').slice(0, 200);
}

/** How far a copy is, for the row of its node; null when it is over. */
export function copySentence(event: CopyEvent): string | null {
  if (event.phase === 'end') return null;
  const left = event.secondsLeft === undefined ? '' : `, ${event.secondsLeft} s left`;
  const done = `${size(event.bytes)} of ${size(event.totalBytes)}${left}`;
  // A row is narrow: what matters most comes first.
  return `Copying image: ${done}, ${event.files} of ${event.totalFiles} files, ${size(event.bytesPerSecond)}/s.`;
}
function copyResult(event: CopyEvent): string {
  const done = `${event.files} files, ${size(event.bytes)} sent to the disk`;
  return event.cause === undefined ? done : `${done}, broke off: ${event.cause}`;
}

function shortPath(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).slice(0, 80) || path.slice(0, 80);
}

function size(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
