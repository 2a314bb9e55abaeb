import type { BusEvent } from '../events/bus.ts';
import { printable, type BootTimeline } from '../events/timeline.ts';
import { isStallReport } from './console-scanner.ts';

export interface BootWatchOptions {
  timeline: BootTimeline;
  /** seconds without progress that are too many; asked anew, as settings may change */
  timeoutSeconds: () => number | 'none';
  /** called once; the watch is over then */
  onStalled: (reason: string) => void;
}

const CHECK_MS = 1_000;
/** A boot that chatters without end is given up after this many times its timeout. */
const PATIENCE = 5;
/** How many complaints a reason names: the last ones of the stage. */
const MAX_COMPLAINTS = 3;
const COMPLAINT =
  /ipxe\.org\/[0-9a-f]{8}|: (not found|No such file or directory|Permission denied)$|^(Wrong image format|Bad Linux ARM64 Image magic)|^mount: .+ failed: |^\[FAILED\] |^You are in emergency/;
/** The kernel's own words have a number that grows. */
const STALLED = 'the kernel reports that a processor stands still';
/** A kernel that stands still says so at length, every half minute or minute. ms */
const STALL_TALK_MS = 90_000;
/** What is printed so soon after a complaint that was heard before belongs to it. ms */
const REPEAT_TALK_MS = 5_000;
/** Events kept for the record between two savings. */
const MAX_EVENTS = 500;

/** Watches one boot: builds its timeline, keeps its events, and notices when it stands still. */
export class BootWatch {
  readonly timeline: BootTimeline;
  readonly #options: BootWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #begun = performance.now();
  #progressAt = performance.now();
  /** until then what the guest prints is no progress */
  #idleTalkUntil = -Infinity;
  #nfsBytes = -1;
  /** the last totals of each connection that has served since the last saving */
  readonly #nfs = new Map<string, BusEvent>();
  #complaints: string[] = [];
  #events: BusEvent[] = [];

  constructor(options: BootWatchOptions) {
    this.#options = options;
    this.timeline = options.timeline;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    this.#timer.unref();
  }

  /** Takes an event of the node. */
  take(event: BusEvent): void {
    if (event.kind === 'nfs') {
      // A node that only looks whether its root is still there does not go forward.
      if (event.bytesRead !== this.#nfsBytes) this.#progressed();
      this.#nfsBytes = event.bytesRead;
      this.#nfs.set(event.connection, event);
      return;
    }
    if (event.kind === 'node' || event.kind === 'qemu') return this.#keep(event);
    // Of all that the console prints a log is kept: no more progress than the printing is.
    if (event.kind === 'log') return this.output();
    // A copy takes the time that its size needs.
    if (event.kind === 'copy') this.#begun = performance.now();
    if (event.kind !== 'copy' || event.phase !== 'progress') this.#keep(event);
    const { current } = this.timeline;
    this.timeline.take(event);
    // What went wrong in a stage that is over did not end the boot.
    if (this.timeline.current?.name !== current?.name) this.#complaints = [];
    const isStall = event.kind === 'console' && isStallReport(event.line);
    const isNews = this.#complain(isStall ? STALLED : complaintOf(event));
    if (isStall) this.#idleTalk(STALL_TALK_MS);
    else if (isNews) this.#progressed();
    else this.#idleTalk(REPEAT_TALK_MS);
    if (event.kind === 'console' && event.line.startsWith('No bootable device')) {
      this.#stalled('the firmware found nothing to boot');
    }
  }

  /** The guest has printed something. */
  output(): void {
    if (performance.now() >= this.#idleTalkUntil) this.#progressed();
  }

  /** Where the boot is, for a sentence: the stage, with the last complaints in it or else its last detail. */
  whereabouts(): string {
    const { current } = this.timeline;
    const detail = this.#complaints.join('; ') || current?.detail;
    return `${current?.name ?? 'power-on'}${detail ? ` (${detail})` : ''}`;
  }

  /** Events since the last call. */
  takeEvents(): BusEvent[] {
    const events = [...this.#nfs.values(), ...this.#events];
    this.#events = [];
    this.#nfs.clear();
    return events;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #progressed(): void {
    this.#progressAt = performance.now();
  }

  /** A guest that tries the same in vain, again and again, stands still however much it says. */
  #idleTalk(ms: number): void {
    this.#idleTalkUntil = Math.max(this.#idleTalkUntil, performance.now() + ms);
  }

  #keep(event: BusEvent): void {
    if (this.#events.length < MAX_EVENTS) this.#events.push(event);
  }

  /** False when the same complaint was heard before in this stage. */
  #complain(complaint: string | undefined): boolean {
    if (complaint === undefined) return true;
    const text = printable(complaint).replace(/\.$/, '');
    const others = this.#complaints.filter((known) => known !== text);
    const isNews = others.length === this.#complaints.length;
    this.#complaints = [...others, text].slice(-MAX_COMPLAINTS);
    return isNews;
  }

  #check(): void {
    const seconds = this.#options.timeoutSeconds();
    if (seconds === 'none') return;
    const now = performance.now();
    if (now - this.#progressAt >= seconds * 1000) this.#stalled(`no progress for ${seconds} s`);
    else if (now - this.#begun >= seconds * PATIENCE * 1000) {
      this.#stalled(`not booted after ${seconds * PATIENCE} s, though it is not silent`);
    }
  }

  #stalled(what: string): void {
    this.close();
    this.#options.onStalled(`${what}; last: ${this.whereabouts()}`);
  }
}

/** What an event complains of, in a few words. */
function complaintOf(event: BusEvent): string | undefined {
  switch (event.kind) {
    case 'tftp':
    case 'http':
      return event.phase === 'refused' ? `${event.path} refused: ${event.cause ?? 'not served'}` : undefined;
    case 'mount':
      return event.ok ? undefined : `${event.path} refused: ${event.cause ?? 'not served'}`;
    case 'console': {
      const issue = /^>>> (.+?)(?: *<<<)?$/.exec(event.line)?.[1];
      if (issue !== undefined) return issue.startsWith('Issue detected') ? undefined : issue;
      return COMPLAINT.test(event.line) ? event.line : undefined;
    }
    default:
      return undefined;
  }
}
