import type { ConsoleArchive } from './console-archive.ts';
import { ConsoleLog } from './console-log.ts';
import { ConsoleScanner } from './console-scanner.ts';
import type { LineSender } from './line-sender.ts';

/** How what a console has printed is told. */
export interface TextWanted {
  /** with the power-ons before the last one, as far as they are kept */
  history: boolean;
  /** goes on with what is printed next */
  follow: boolean;
  /** lines with the time of their end before them */
  timestamps: boolean;
  /** lines that match, alone */
  search: ((line: string) => boolean) | undefined;
}

const CHUNK = 64 * 1024;

/**
 * Writes what a console has printed: bytes as they came, or, with times or a search, lines without what a terminal would obey, of
 * at most 1024 characters. Resolves at the end, or when `signal` is aborted.
 */
export async function sendConsoleText(
  { log, archive }: { log: ConsoleLog; archive: ConsoleArchive },
  wanted: TextWanted,
  send: LineSender,
  signal: AbortSignal,
): Promise<void> {
  for (const file of wanted.history ? archive.list() : []) {
    if (signal.aborted) return;
    const past = new ConsoleLog(file);
    try {
      await new TextSender(past, wanted, send, signal).all();
    } finally {
      past.close();
    }
    if (!wanted.search) await send.write('\n');
  }
  const current = new TextSender(log, wanted, send, signal);
  await current.all();
  while (wanted.follow && !signal.aborted) {
    await send.flush();
    // More may have come while the reader was slow.
    if (!current.isBehind) await change(log, signal);
    await current.more();
  }
  await send.flush();
}

/** One log's part of it. */
class TextSender {
  readonly #log: ConsoleLog;
  readonly #send: LineSender;
  readonly #signal: AbortSignal;
  readonly #isRaw: boolean;
  readonly #follow: boolean;
  readonly #scanner: ConsoleScanner;
  #position: number;
  #at = 0;
  #lines = '';
  #clock = 0;

  constructor(
    log: ConsoleLog,
    { timestamps, search, follow }: TextWanted,
    send: LineSender,
    signal: AbortSignal,
  ) {
    this.#log = log;
    this.#send = send;
    this.#signal = signal;
    this.#isRaw = !timestamps && !search;
    this.#follow = follow;
    this.#position = log.start;
    const onText = (line: string): void => {
      if (search && !search(line)) return;
      this.#lines += timestamps ? `${new Date(this.#at).toISOString()} ${line}\n` : `${line}\n`;
    };
    // The scanner leaves lines out where more come in a second than anybody reads: here each has its second.
    this.#scanner = new ConsoleScanner(() => undefined, { now: () => (this.#clock += 1000), onText });
  }

  get isBehind(): boolean {
    return this.#position < this.#log.end;
  }

  /** To the end of now; a line that is not finished counts as one unless the log is followed. */
  async all(): Promise<void> {
    this.#log.look();
    await this.more();
    if (this.#follow || this.#isRaw) return;
    this.#scanner.end();
    await this.#write();
  }

  /** What has come since. */
  async more(): Promise<void> {
    for (const { at, end } of this.#log.times()) {
      if (end <= this.#position) continue;
      this.#at = at;
      while (this.#position < end && !this.#signal.aborted) {
        const { position, bytes } = this.#log.read(this.#position, Math.min(CHUNK, end - this.#position));
        if (bytes.length === 0) break;
        this.#position = position + bytes.length;
        if (this.#isRaw) await this.#send.writeBytes(bytes);
        else this.#scanner.feed(bytes);
        await this.#write();
      }
    }
  }

  async #write(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') await this.#send.write(lines);
  }
}

function change(log: ConsoleLog, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = log.onChange(resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  return promise.finally(forget);
}
