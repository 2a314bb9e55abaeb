import * as vscode from 'vscode';
import type { Path, YamlText } from '../../backend/api/yaml-file.ts';
import type { LabModel } from '../daemon/lab-model.ts';
import { BOOT_TESTS, type FileKind, LAB_FILES } from './file-kinds.ts';
import { FileProblems } from './file-problems.ts';
import { explain, type Proposal, propose } from './schema-help.ts';

/** Labs and boot tests in the editor: problems, completion, hovers. */
export function registerYaml(model: LabModel): vscode.Disposable {
  const kinds = [LAB_FILES, BOOT_TESTS];
  return vscode.Disposable.from(new FileProblems(kinds), ...kinds.map((kind) => help(kind, model)));
}

function help({ selector, schema }: FileKind, model: LabModel): vscode.Disposable {
  // Of the extension that reads yamlValidation in our manifest, whose help would be there twice.
  const isServed = (): boolean => vscode.extensions.getExtension('redhat.vscode-yaml') !== undefined;
  const completion: vscode.CompletionItemProvider = {
    provideCompletionItems: (document, position) => {
      const images = (path: Path, yaml: YamlText): string[] => imageNames(model, path, yaml);
      const offset = document.offsetAt(position);
      const { from, to, all } = propose(document.getText(), offset, isServed() ? {} : schema(), images);
      const range = new vscode.Range(document.positionAt(from), document.positionAt(to));
      return all.map((proposal) => completionItem(proposal, range));
    },
  };
  const hover: vscode.HoverProvider = {
    provideHover: (document, position) => {
      const said = explain(document.getText(), document.offsetAt(position), isServed() ? {} : schema());
      return said === undefined ? undefined : new vscode.Hover(said);
    },
  };
  return vscode.Disposable.from(
    vscode.languages.registerCompletionItemProvider(selector, completion, ' '),
    vscode.languages.registerHoverProvider(selector, hover),
  );
}

/** Where an image is named: those of the lab, and of the file itself. */
function imageNames(model: LabModel, path: Path, yaml: YamlText): string[] {
  if (!path.slice(-2).includes('image')) return [];
  return [...new Set([...yaml.names(['images']), ...model.images.map(({ name }) => name)])];
}

function completionItem(
  { text, isName, about, insert }: Proposal,
  range: vscode.Range,
): vscode.CompletionItem {
  const { Property, Value } = vscode.CompletionItemKind;
  const item = new vscode.CompletionItem(text, isName ? Property : Value);
  item.insertText = insert;
  item.range = range;
  if (about !== undefined) item.documentation = about;
  return item;
}
