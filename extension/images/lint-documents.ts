import * as vscode from 'vscode';
import type { Finding } from '../../backend/api/image.ts';

export const LINT_SCHEME = 'bootyard-lint';

/** The text that tells what is found in an image which no Dockerfile of the workspace builds. */
export function lintUri(image: string): vscode.Uri {
  return vscode.Uri.from({ scheme: LINT_SCHEME, path: `/${image}` });
}

/** Read-only texts of findings: what problems without a Dockerfile point to. */
export class LintDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration = vscode.workspace.registerTextDocumentContentProvider(LINT_SCHEME, this);

  readonly onDidChange = this.#changed.event;

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#texts.get(uri.path) ?? `Image ${uri.path.slice(1)} was not checked yet.\n`;
  }

  /** Answers the line of each finding, from 0. */
  put(image: string, findings: readonly Finding[]): number[] {
    const { text, lines } = lintText(image, findings);
    const uri = lintUri(image);
    if (this.#texts.get(uri.path) !== text) {
      this.#texts.set(uri.path, text);
      this.#changed.fire(uri);
    }
    return lines;
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}

function lintText(image: string, findings: readonly Finding[]): { text: string; lines: number[] } {
  const title =
    findings.length === 0 ? `Nothing is wrong with image ${image}.` : `Findings on image ${image}:`;
  const text = [title, ''];
  const lines = findings.map(({ rule, severity, path, message, fix, dockerfile }) => {
    const line = text.length;
    text.push(`${severity}: ${message}`, `  ${fix}`);
    if (dockerfile !== undefined) text.push(`  Dockerfile: ${dockerfile}`);
    text.push(`  (${rule}, ${path})`, '');
    return line;
  });
  return { text: text.map((line) => line.replaceAll(/\p{Cc}/gu, '\u{fffd}')).join('\n'), lines };
}
