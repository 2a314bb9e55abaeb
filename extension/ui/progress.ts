import * as vscode from 'vscode';
import type { Progress } from '../../backend/api/contract.ts';

export interface Task {
  /** aborted when the user cancels */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** Runs a long action under a notification that tells how far it is and can cancel it. */
export function withProgress<T>(title: string, run: (task: Task) => Promise<T>): Promise<T> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return Promise.resolve(
    vscode.window.withProgress(options, async (progress, token) => {
      const controller = new AbortController();
      const watch = token.onCancellationRequested(() => controller.abort());
      let percent = 0;
      const onProgress = ({ message, fraction }: Progress): void => {
        const next = fraction === undefined ? percent : Math.max(percent, fraction * 100);
        progress.report({ message, increment: next - percent });
        percent = next;
      };
      try {
        return await run({ signal: controller.signal, onProgress });
      } catch (error) {
        // Whatever the daemon said when it was interrupted: it was the user's wish.
        throw controller.signal.aborted ? new vscode.CancellationError() : error;
      } finally {
        watch.dispose();
      }
    }),
  );
}

/** Runs a short action under the moving line at the top of a view. */
export function inView<T>(viewId: string, run: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: { viewId } }, run));
}
