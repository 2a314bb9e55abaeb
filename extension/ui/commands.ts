import * as vscode from 'vscode';
import type { ErrorReporter } from './errors.ts';

export type CommandHandler = (...args: unknown[]) => Promise<unknown>;

/**
 * Registers commands whose failures are shown, with Retry. What a command answers reaches `executeCommand`, so other
 * extensions and key bindings can use it; after a failure the answer is undefined.
 */
export function registerCommands(
  errors: ErrorReporter,
  handlers: Record<string, CommandHandler>,
): vscode.Disposable {
  const registrations = Object.entries(handlers).map(([id, handler]) =>
    vscode.commands.registerCommand(id, async (...args: unknown[]) => {
      try {
        return await handler(...args);
      } catch (error) {
        const retry = (): Thenable<unknown> => vscode.commands.executeCommand(id, ...args);
        errors.report(error, { title: 'Retry', run: retry });
        return undefined;
      }
    }),
  );
  return vscode.Disposable.from(...registrations);
}
