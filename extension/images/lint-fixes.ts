import * as vscode from 'vscode';
import { insertionLine } from './dockerfile-places.ts';
import { LINT_SCHEME } from './lint-documents.ts';
import { FindingDiagnostic } from './lint-problems.ts';

/** What the command bootyard.image.fix is given: a line as `LABEL name=value`. */
export const FIX_COMMAND = 'bootyard.image.fix';

/** What the command bootyard.image.repair is given: an image and the id of a rule. */
export const REPAIR_COMMAND = 'bootyard.image.repair';

/** Quick fixes of findings: a line into the Dockerfile, or the change of the image itself. */
export class LintFixes implements vscode.CodeActionProvider {
  static register(): vscode.Disposable {
    const kinds = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] };
    return vscode.languages.registerCodeActionsProvider(
      [{ scheme: 'file' }, { scheme: LINT_SCHEME }],
      new LintFixes(),
      kinds,
    );
  }

  provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    context: vscode.CodeActionContext,
  ): vscode.CodeAction[] {
    const known = vscode.languages.getDiagnostics(document.uri);
    const asked = context.diagnostics.map(({ message }) => message);
    // The editor hands over copies: those that know their finding are in the collection.
    return known
      .filter((diagnostic) => diagnostic instanceof FindingDiagnostic)
      .filter(({ message, range: place }) => asked.includes(message) && place.intersection(range))
      .flatMap((diagnostic) => actionsOf(document, diagnostic));
  }
}

function actionsOf(document: vscode.TextDocument, diagnostic: FindingDiagnostic): vscode.CodeAction[] {
  const { image } = diagnostic;
  const { dockerfile = '', repair, rule } = diagnostic.finding;
  const actions: vscode.CodeAction[] = [];
  if (dockerfile !== '' && document.uri.scheme !== LINT_SCHEME) {
    const action = new vscode.CodeAction(`Add to Dockerfile: ${dockerfile}`, vscode.CodeActionKind.QuickFix);
    action.edit = insertion(document, dockerfile);
    action.isPreferred = true;
    actions.push(action);
  }
  if (labelOf(dockerfile)) {
    const title = `Change image ${image}: ${dockerfile}`;
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.command = { command: FIX_COMMAND, title, arguments: [image, dockerfile] };
    actions.push(action);
  }
  if (repair && repair.do !== 'label') {
    const title = `Repair in the image ${image} (${rule})`;
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.command = { command: REPAIR_COMMAND, title, arguments: [image, rule] };
    actions.push(action);
  }
  for (const action of actions) action.diagnostics = [diagnostic];
  return actions;
}

function insertion(document: vscode.TextDocument, line: string): vscode.WorkspaceEdit {
  const at = insertionLine(document.getText());
  const edit = new vscode.WorkspaceEdit();
  const isLast = at >= document.lineCount;
  const place = isLast ? document.lineAt(document.lineCount - 1).range.end : new vscode.Position(at, 0);
  edit.insert(document.uri, place, isLast ? `\n${line}\n` : `${line}\n`);
  return edit;
}

/** Name and value of a line `LABEL name=value`. */
export function labelOf(line: string): { name: string; value: string } | undefined {
  const [, name, quoted, plain] = /^LABEL ([\w.-]+)=(?:"([^"\\]*)"|([^\s"]*))$/.exec(line) ?? [];
  return name === undefined ? undefined : { name, value: quoted ?? plain ?? '' };
}
