import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What is kept of the power-ons before the last one: so many of them, and so many bytes in all. */
const SIZES = { powerOns: 8, bytes: 32 * 1024 * 1024 };

/** What the serial line printed before the last power-on: a file for each power-on, with its times beside. */
export class ConsoleArchive {
  readonly #folder: string;
  readonly #sizes: typeof SIZES;

  /** `logFile`: the console's log, whose folder this is in */
  constructor(logFile: string, sizes = SIZES) {
    this.#folder = join(dirname(logFile), 'consoles');
    this.#sizes = sizes;
  }

  /** Copies the log, which a power-on is about to empty; the oldest ones go. */
  keep(logFile: string): void {
    if (statSync(logFile).size === 0) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    // Names in the order of time, also for two in one millisecond.
    const last = Number(
      this.#names()
        .at(-1)
        ?.replace(/\.log$/, '') ?? 0,
    );
    const file = join(this.#folder, `${Math.max(Date.now(), last + 1)}.log`);
    copyFileSync(`${logFile}.times`, `${file}.times`, constants.COPYFILE_FICLONE);
    copyFileSync(logFile, file, constants.COPYFILE_FICLONE);
    this.#forgetOld();
  }

  /** Log files, the oldest first. */
  list(): string[] {
    return this.#names().map((name) => join(this.#folder, name));
  }

  #forgetOld(): void {
    let bytes = 0;
    for (const [index, file] of this.list().reverse().entries()) {
      bytes += statSync(file).size;
      if (index > 0 && (index >= this.#sizes.powerOns || bytes > this.#sizes.bytes)) {
        rmSync(file);
        rmSync(`${file}.times`, { force: true });
      }
    }
  }

  #names(): string[] {
    if (!existsSync(this.#folder)) return [];
    return readdirSync(this.#folder)
      .filter((name) => /^\d+\.log$/.test(name))
      .toSorted();
  }
}
