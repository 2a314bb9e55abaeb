import * as vscode from 'vscode';

const SCHEME = 'bootyard';
/** The manifest gives editors of this language no minimap and no line numbers, and wraps their lines. */
const LANGUAGE = 'bootyard-report';

/** Read-only texts in editors: boot timelines, the doctor's findings. Shown again, a text replaces its older self. */
export class TextDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration: vscode.Disposable;
  readonly onDidChange = this.#changed.event;

  constructor() {
    this.#registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#texts.get(uri.path) ?? 'This text is gone: run its command again.\n';
  }

  /** `name` is the tab's title; `line`, from 0, is the one that the cursor goes to. */
  async show(
    name: string,
    text: string,
    { preserveFocus = false, line }: { preserveFocus?: boolean; line?: number | undefined } = {},
  ): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${name}` });
    this.#texts.set(uri.path, text);
    this.#changed.fire(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    const report = await vscode.languages.setTextDocumentLanguage(document, LANGUAGE);
    const selection = line === undefined ? {} : { selection: report.lineAt(line).range };
    await vscode.window.showTextDocument(report, { preview: true, preserveFocus, ...selection });
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
