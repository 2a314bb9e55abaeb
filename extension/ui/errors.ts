import * as vscode from 'vscode';
import { BootyardError, messageOf } from '../../backend/errors.ts';

export interface ErrorAction {
  readonly title: string;
  readonly run: () => unknown;
}

/** The user took it back: nothing to report. */
export function isCancelled(error: unknown): boolean {
  return (
    error instanceof vscode.CancellationError ||
    (error instanceof BootyardError && error.code === 'call.cancelled') ||
    (error instanceof Error && (error.name === 'AbortError' || error.name === 'Canceled'))
  );
}

/** Shows errors as one sentence with actions; the same sentence is not shown twice at the same time. */
export class ErrorReporter {
  readonly #log: vscode.LogOutputChannel;
  readonly #shown = new Set<string>();

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
  }

  report(error: unknown, ...actions: ErrorAction[]): void {
    if (isCancelled(error)) return;
    const sentence = messageOf(error);
    if (error instanceof BootyardError) this.#log.error(`${sentence} (${error.code})`);
    else this.#log.error(error instanceof Error ? error : sentence);
    if (this.#shown.has(sentence)) return;
    this.#shown.add(sentence);
    void this.#show(sentence, [...actions, { title: 'Show Log', run: () => this.#log.show(true) }]);
  }

  async #show(sentence: string, actions: ErrorAction[]): Promise<void> {
    const chosen = await vscode.window.showErrorMessage(sentence, ...actions.map((action) => action.title));
    this.#shown.delete(sentence);
    try {
      await actions.find((action) => action.title === chosen)?.run();
    } catch (error) {
      this.report(error);
    }
  }
}
