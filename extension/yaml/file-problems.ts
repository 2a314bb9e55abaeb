import * as vscode from 'vscode';
import type { Place } from '../../backend/api/yaml-file.ts';
import { Coalescer } from '../ui/coalescer.ts';
import type { FileKind } from './file-kinds.ts';

export function rangeOf({ from, to }: Place): vscode.Range {
  return new vscode.Range(from.line - 1, from.column - 1, to.line - 1, to.column - 1);
}

/** What is wrong with open files, among the editor's problems: while they are typed, in the words of the command line. */
export class FileProblems implements vscode.Disposable {
  readonly #kinds: readonly FileKind[];
  readonly #problems = vscode.languages.createDiagnosticCollection('bootyard.files');
  readonly #due = new Coalescer<vscode.TextDocument>((documents) =>
    documents.forEach((document) => this.#check(document)),
  );
  readonly #watches: vscode.Disposable;

  constructor(kinds: readonly FileKind[]) {
    this.#kinds = kinds;
    const { workspace } = vscode;
    this.#watches = vscode.Disposable.from(
      workspace.onDidOpenTextDocument((document) => this.#look(document)),
      workspace.onDidChangeTextDocument(({ document }) => this.#look(document)),
      workspace.onDidCloseTextDocument(({ uri }) => this.#problems.delete(uri)),
    );
    for (const document of workspace.textDocuments) this.#look(document);
  }

  dispose(): void {
    this.#watches.dispose();
    this.#due.dispose();
    this.#problems.dispose();
  }

  #kindOf(document: vscode.TextDocument): FileKind | undefined {
    return this.#kinds.find(({ selector }) => vscode.languages.match(selector, document) > 0);
  }

  #look(document: vscode.TextDocument): void {
    if (this.#kindOf(document)) this.#due.add(document);
  }

  #check(document: vscode.TextDocument): void {
    if (document.isClosed) return;
    const problems = this.#kindOf(document)?.check(document) ?? [];
    const shown = problems.map((problem) => {
      const diagnostic = new vscode.Diagnostic(rangeOf(problem), problem.message);
      diagnostic.source = 'Bootyard';
      return diagnostic;
    });
    this.#problems.set(document.uri, shown);
  }
}
