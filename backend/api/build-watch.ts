import { BootyardError } from '../errors.ts';
import { sourceIn } from '../images/build/context.ts';
import { SourceWatch } from '../images/build/watch.ts';
import type { Built } from './builds.ts';

export interface WatchedBuild {
  folder: string;
  subDir?: string | undefined;
  file?: string | undefined;
  /** builds once */
  build: () => Promise<Built>;
  onBuilt: (built: Built) => void;
  onFailed: (error: unknown) => void;
  /** something was saved; the next build begins */
  onChange: (paths: string[]) => void;
}

/**
 * Builds, and again each time that something the build reads has changed, until `signal` is aborted. A build that fails is
 * told, and so is a watch that cannot go on (thrown). What is saved while a build runs makes one more build.
 */
export async function watchBuilds(watched: WatchedBuild, signal: AbortSignal): Promise<void> {
  const source = await sourceIn(watched.folder, watched);
  let changed: string[] | undefined = [];
  let trouble: unknown;
  let wake = (): void => {};
  const noteChange = (paths: string[]): void => {
    changed = [...(changed ?? []), ...paths];
    wake();
  };
  const noteTrouble = (error: unknown): void => {
    trouble = error;
    wake();
  };
  const abort = (): void => wake();
  const watch = new SourceWatch(source, noteChange, noteTrouble);
  signal.addEventListener('abort', abort);
  try {
    await watch.start();
    while (!signal.aborted) {
      if (trouble !== undefined) throw trouble;
      if (changed === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (changed.length > 0) watched.onChange(changed);
      changed = undefined;
      await buildOnce(watched, signal);
    }
  } finally {
    signal.removeEventListener('abort', abort);
    await watch.close();
  }
}

async function buildOnce({ build, onBuilt, onFailed }: WatchedBuild, signal: AbortSignal): Promise<void> {
  try {
    onBuilt(await build());
  } catch (error) {
    if (!signal.aborted && !isCancelled(error)) return onFailed(error);
    if (!signal.aborted) throw error;
  }
}

function isCancelled(error: unknown): boolean {
  if (error instanceof BootyardError) return error.code === 'call.cancelled';
  return error instanceof Error && error.name === 'AbortError';
}
