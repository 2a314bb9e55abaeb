import { LineBudget } from '../protocols/line-budget.ts';

/** Bytes of a line that are looked at; what comes after is passed over until the line ends. */
const MAX_LINE = 1024;
/** Bytes from which on they are handed over though no line has ended. */
const MAX_RAW = 64 * 1024;
/** Of lines that mean something, and of all. */
const EVENTS = { perSecond: 50, burst: 400 };
const LINES = { perSecond: 1000, burst: 10_000 };

/** A processor stands still: kernel/watchdog.c, kernel/rcu/tree_stall.h. */
const STALL_REPORTS = [/watchdog: BUG: soft lockup/, /rcu: INFO: \S+ (?:self-)?detected /];
/** What a boot says about itself on the serial line. */
const MEANINGFUL: readonly RegExp[] = [
  /^SeaBIOS \(version/,
  /^iPXE \d/,
  /^U-Boot \d/,
  /^(TFTP error: |Retry count exceeded|Wrong image format|Bad Linux ARM64 Image magic)/,
  /\(https?:\/\/ipxe\.org\/[0-9a-f]{8}\)/,
  /^>>Start (?:PXE|HTTP) /,
  /^ *(?:PXE|HTTP)-E\d+: /,
  /^No bootable device/,
  /Linux version \d/,
  /Run \S+ as init process/,
  /^\*\*\* .+ \*\*\*$/,
  /^>>> /,
  /^mount: .+ failed: /,
  // What walt-boot-modes finds on the disks.
  /^(Detected|Using) boot-mode: |^Falling back to default boot mode: |^Note: (.*\b(walt-hybrid\b|boot\.mode=)|(the )?extended attribute)|^\w+: not enough room for copying/,
  /Kernel panic - not syncing/,
  /Out of memory: Kill/,
  ...STALL_REPORTS,
  /^\[FAILED\] /,
  /: (not found|No such file or directory|Permission denied)$/,
  /^You are in emergency mode/,
  /reboot: (Restarting system|Power down|System halted)/,
];
/** A prompt waits on its line, so it is looked for at the end of what there is. */
const PROMPT = /(^|\s)login: ?$/;

const ESC = 0x1b;
const NOTHING = new Uint8Array();

/** A line's text, and all bytes since the line before; together the bytes of all lines are what was fed. */
export type TakeText = (line: string, raw: Uint8Array) => void;
type State = 'text' | 'escape' | 'charset' | 'csi' | 'string';

/**
 * Finds the lines of a serial line, and those that mean something. Takes any bytes in any pieces: escape sequences are taken out,
 * bytes that are no text become U+FFFD, and nothing that a guest sends makes it keep more than one line.
 */
export class ConsoleScanner {
  readonly #onLine: (line: string) => void;
  readonly #onText: TakeText;
  readonly #keepsRaw: boolean;
  readonly #events: LineBudget;
  readonly #lines: LineBudget;
  readonly #line = new Uint8Array(MAX_LINE);
  readonly #decoder = new TextDecoder('utf-8');
  #length = 0;
  #state: State = 'text';
  #leftOut = 0;
  /** bytes that no line has had yet: of earlier pieces, and of this one from `#from` to `#at` */
  #raw: Uint8Array[] = [];
  #rawLength = 0;
  #piece: Uint8Array = NOTHING;
  #from = 0;
  #at = 0;
  #prompted = false;

  /** `onLine` takes lines that mean something, `onText` all, with their bytes where `keepsRaw`. */
  constructor(
    onLine: (line: string) => void,
    {
      now,
      onText = () => undefined,
      keepsRaw = false,
    }: { now?: () => number; onText?: TakeText; keepsRaw?: boolean } = {},
  ) {
    this.#onLine = onLine;
    this.#onText = onText;
    this.#keepsRaw = keepsRaw;
    this.#events = new LineBudget(EVENTS, now);
    this.#lines = new LineBudget(LINES, now);
  }

  feed(bytes: Uint8Array): void {
    [this.#piece, this.#from, this.#at] = [bytes, 0, 0];
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at++] ?? 0;
      // Both end the same line.
      if (byte === 0x0d && bytes[this.#at] === 0x0a) this.#at++;
      this.#byte(byte);
    }
    this.#keepRest();
    if (this.#length > 0 && !this.#prompted && this.#state === 'text') {
      const text = this.#text();
      if (PROMPT.test(text)) {
        this.#prompted = true;
        this.#say(text);
      }
    }
  }

  /** Nothing has come for a while: what there is of a line is told, though it may go on, and be told whole then. */
  pause(): void {
    const text = this.#rawLength > 0 ? this.#text() : '';
    if (text !== '') this.#tell(text);
  }

  /** The machine has ended, maybe in the middle of a line. */
  end(): void {
    this.#state = 'text';
    this.#endLine();
    if (this.#rawLength > 0) this.#tellRaw();
  }

  #byte(byte: number): void {
    // A line end ends every sequence too, so that a broken one cannot hide what follows.
    if (byte === 0x0a || byte === 0x0d) {
      this.#state = 'text';
      return this.#endLine();
    }
    switch (this.#state) {
      case 'text':
        return this.#textByte(byte);
      case 'escape':
        this.#state = afterEscape(byte);
        return;
      case 'charset':
        this.#state = 'text';
        return;
      case 'csi':
        return this.#csiByte(byte);
      case 'string':
        if (byte === 0x07) this.#state = 'text';
        else if (byte === ESC) this.#state = 'escape';
        return;
    }
  }

  #textByte(byte: number): void {
    if (byte === ESC) this.#state = 'escape';
    else if (byte === 0x08) this.#length = Math.max(0, this.#length - 1);
    else if (byte === 0x09 || byte >= 0x20) {
      if (this.#length < MAX_LINE) this.#line[this.#length++] = byte;
    }
  }

  #csiByte(byte: number): void {
    if (byte < 0x40 || byte > 0x7e) return;
    this.#state = 'text';
    // Cursor position and erase: what follows stands elsewhere on the screen.
    if (byte === 0x48 || byte === 0x4a || byte === 0x66) this.#endLine();
  }

  #endLine(): void {
    if (this.#length > 0) {
      const text = this.#text();
      this.#tell(text);
      if (!this.#prompted && MEANINGFUL.some((pattern) => pattern.test(text))) this.#say(text);
    }
    this.#length = 0;
    this.#prompted = false;
  }

  #text(): string {
    const text = this.#decoder.decode(this.#line.subarray(0, this.#length));
    return text.replace(/\p{Cc}/gu, ' ').trim();
  }

  #say(line: string): void {
    if (this.#events.take()) this.#onLine(line);
  }

  #tell(line: string): void {
    if (!this.#lines.take()) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0) this.#onText(this.#gap(), NOTHING);
    this.#onText(line, this.#takeRaw());
  }

  #gap(): string {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut > 0 ? `[${leftOut} lines were left out]` : '';
  }

  /** Bytes without a line: too many for one, or of lines that are left out or empty. */
  #tellRaw(): void {
    this.#onText(this.#gap(), this.#takeRaw());
  }

  #keepRest(): void {
    if (this.#keepsRaw && this.#at > this.#from) {
      const rest = this.#piece.slice(this.#from, this.#at);
      this.#raw.push(rest);
      this.#rawLength += rest.length;
    }
    [this.#piece, this.#from, this.#at] = [NOTHING, 0, 0];
    if (this.#rawLength >= MAX_RAW) this.#tellRaw();
  }

  #takeRaw(): Uint8Array {
    if (!this.#keepsRaw) return NOTHING;
    const raw = Buffer.concat([...this.#raw, this.#piece.subarray(this.#from, this.#at)]);
    [this.#raw, this.#rawLength, this.#from] = [[], 0, this.#at];
    return raw;
  }
}

function afterEscape(byte: number): State {
  if (byte === 0x5b) return 'csi';
  // OSC, DCS, SOS, PM, APC: a string follows.
  if ([0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(byte)) return 'string';
  return byte >= 0x20 && byte <= 0x2f ? 'charset' : 'text';
}

/** True for the first line of what a kernel prints, again and again, while a processor stands still. */
export function isStallReport(line: string): boolean {
  return STALL_REPORTS.some((pattern) => pattern.test(line));
}

/** What a node says when it cannot keep its changes, which its user expects. */
export function notKept(line: string): string | undefined {
  return /^Note: (boot\.mode=network-persistent, but .+)$/.exec(line)?.[1];
}

/** The text of a panic's first line: `Kernel panic - not syncing: VFS: …` without the time stamp. */
export function panicText(line: string): string | undefined {
  return /^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)?(Kernel panic - not syncing.*)$/.exec(line)?.[1];
}

/** The last line of a panic, after which the kernel does nothing but wait. */
export function isPanicEnd(line: string): boolean {
  return line.includes('---[ end Kernel panic - not syncing');
}

/** How a guest ended by its own last words: the kernel prints them whatever its log level. */
export function guestEnd(consoleTail: string): 'reboot' | 'poweroff' | undefined {
  const last = [...consoleTail.matchAll(/reboot: (Restarting system|Power down|System halted)/g)].at(-1)?.[1];
  if (last === undefined) return undefined;
  return last === 'Restarting system' ? 'reboot' : 'poweroff';
}
