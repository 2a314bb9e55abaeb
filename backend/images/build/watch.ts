import { basename } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import { BootyardError, messageOf } from '../../errors.ts';
import { type Ignored, pathBelow, readIgnoreFile, type Source } from './context.ts';

/** Saves that come closer than this make one build. */
const QUIET_MS = 200;

/** Tells when something that a build reads has changed: the Dockerfile, or what `.dockerignore` does not leave out. */
export class SourceWatch {
  readonly #source: Source;
  readonly #onChange: (paths: string[]) => void;
  readonly #onError: (error: unknown) => void;
  readonly #changed = new Set<string>();
  #ignored: Ignored | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `onChange` gets the paths, relative to the folder where that can be. */
  constructor(source: Source, onChange: (paths: string[]) => void, onError: (error: unknown) => void) {
    this.#source = source;
    this.#onChange = onChange;
    this.#onError = onError;
  }

  /** Resolves when every later change will be seen. */
  async start(): Promise<void> {
    const { folder, dockerfile } = this.#source;
    this.#ignored = await readIgnoreFile(folder);
    const watcher = watch([folder, dockerfile], {
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (path, stats) => this.#isLeftOut(path, stats?.isDirectory() ?? true),
    });
    this.#watcher = watcher;
    watcher.on('error', (error) => this.#onError(this.#trouble(error)));
    await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
    if (this.#isClosed) return await watcher.close();
    watcher.on('all', (_, path) => this.#note(path));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#watcher?.close();
  }

  /** Mostly that the machine lets a user watch only so many files. */
  #trouble(error: unknown): BootyardError {
    const { folder } = this.#source;
    return new BootyardError(
      'build.watch',
      `The folder ${folder} cannot be watched (${messageOf(error)}): leave out what the build does not need in .dockerignore.`,
      { folder },
    );
  }

  #isLeftOut(path: string, mayBeFolder: boolean): boolean {
    const { folder, dockerfile } = this.#source;
    const below = pathBelow(folder, path);
    if (below === undefined || path === dockerfile || below === '.dockerignore') return false;
    if (!this.#ignored?.ignores(below)) return false;
    // What is in it may be wanted all the same: an exception, or the Dockerfile.
    return !(mayBeFolder && (this.#ignored.hasExceptions || dockerfile.startsWith(`${path}/`)));
  }

  #note(path: string): void {
    if (this.#isLeftOut(path, false)) return;
    this.#changed.add(pathBelow(this.#source.folder, path) ?? basename(path));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tell(), QUIET_MS);
  }

  async #tell(): Promise<void> {
    const paths = [...this.#changed];
    this.#changed.clear();
    if (paths.includes('.dockerignore')) {
      // Other rules: folders that were left out have to be watched now.
      await this.#watcher?.close();
      if (this.#isClosed) return;
      await this.start().catch(this.#onError);
    }
    if (!this.#isClosed) this.#onChange(paths);
  }
}
