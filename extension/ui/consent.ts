import * as vscode from 'vscode';
import { BootyardError } from '../../backend/errors.ts';

export interface Consent {
  /** of the daemon's refusal */
  readonly code: string;
  readonly question: string;
  /** what the button says that agrees */
  readonly agree: string;
}

/**
 * Does `act`. When the daemon refuses because something would be lost, asks with its sentence, and does it again with the
 * user's consent; throws a cancellation without.
 */
export async function withConsent<T>(
  { code, question, agree }: Consent,
  act: (consent: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await act(false);
  } catch (error) {
    if (!(error instanceof BootyardError) || error.code !== code) throw error;
    await confirm(question, error.message, agree);
    return act(true);
  }
}

/** Asks in the middle of the window; throws a cancellation unless the user agrees. */
export async function confirm(question: string, detail: string | undefined, agree: string): Promise<void> {
  const answer = await vscode.window.showWarningMessage(question, { modal: true, detail }, agree);
  if (answer !== agree) throw new vscode.CancellationError();
}

/** Whether the caller of a command has agreed already: another extension, or a key binding. */
export function isForced(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'force' in options && options.force === true;
}
