import * as vscode from 'vscode';

/** Markdown that may show icons and run the named commands, nothing else. */
export function tooltip(markdown: string, commands: string[] = []): vscode.MarkdownString {
  const text = new vscode.MarkdownString(markdown, true);
  text.isTrusted = { enabledCommands: commands };
  return text;
}
