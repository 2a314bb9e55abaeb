import * as vscode from 'vscode';

const SAID_MS = 5000;

/** Tells in the status bar that something is done: nothing has to be clicked away. */
export function said(text: string): void {
  vscode.window.setStatusBarMessage(text, SAID_MS);
}
