import { messageOf } from '../../errors.ts';
import type { ImageRecord } from '../../images/store.ts';
import type { ImageLinter } from './linter.ts';

export interface QueueParts {
  linter: Pick<ImageLinter, 'lint' | 'known'>;
  /** all that may be checked */
  images: () => readonly ImageRecord[];
  /** false: something else needs the machine now */
  isIdle: () => boolean;
  /** more is known of some images */
  changed: () => void;
  log: (line: string) => void;
  /** ms between looks at what there is to do */
  pauseMs?: number;
}

const PAUSE_MS = 3000;

/** Checks images that were not checked yet, one at a time, while nothing boots. */
export class LintQueue {
  readonly #parts: QueueParts;
  readonly #failed = new Set<string>();
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#end.signal.aborted) return;
    this.#timer ??= setTimeout(() => void this.#work(), this.#parts.pauseMs ?? PAUSE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
  }

  /** Goes on for one pause, so that views hear of many images at once. Never throws. */
  async #work(): Promise<void> {
    const { changed, isIdle, pauseMs = PAUSE_MS } = this.#parts;
    const until = performance.now() + pauseMs;
    let checked = 0;
    let next = this.#next();
    for (; next && isIdle() && performance.now() < until; next = this.#next()) {
      await this.#check(next);
      checked++;
    }
    this.#timer = undefined;
    if (this.#end.signal.aborted) return;
    if (checked > 0) changed();
    if (next) this.wake();
  }

  #next(): ImageRecord | undefined {
    const { images, linter } = this.#parts;
    if (this.#end.signal.aborted) return undefined;
    return images().find(({ id }) => !linter.known(id) && !this.#failed.has(id));
  }

  async #check(image: ImageRecord): Promise<void> {
    try {
      await this.#parts.linter.lint(image, { signal: this.#end.signal });
      if (!this.#parts.linter.known(image.id)) this.#failed.add(image.id);
    } catch (error) {
      this.#failed.add(image.id);
      if (!this.#end.signal.aborted)
        this.#parts.log(`image ${image.name} was not checked: ${messageOf(error)}`);
    }
  }
}
