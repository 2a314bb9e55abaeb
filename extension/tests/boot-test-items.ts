import * as vscode from 'vscode';
import { type BootCase, BOOT_TEST_ENDING, readBootTest } from '../../backend/api/boot-test/cases.ts';
import { type Position, YamlError } from '../../backend/api/yaml-file.ts';
import { messageOf } from '../../backend/errors.ts';

const FILES = `**/*${BOOT_TEST_ENDING}`;

/** What a run has to do: a case, or a file that is wrong. */
export interface DueTest {
  item: vscode.TestItem;
  what: BootCase | vscode.TestMessage[];
}

/** The files `*.boot.yaml` of the workspace in the Testing view, each with its cases. */
export class BootTestItems implements vscode.Disposable {
  readonly #controller: vscode.TestController;
  readonly #watcher = vscode.workspace.createFileSystemWatcher(FILES);
  /** by the ids of their items */
  readonly #cases = new Map<string, BootCase>();
  /** of files that are wrong, by the ids of their items */
  readonly #wrong = new Map<string, vscode.TestMessage[]>();

  constructor(controller: vscode.TestController) {
    this.#controller = controller;
    controller.resolveHandler = (item) => (item?.uri ? this.#read(item.uri) : this.#find());
    controller.refreshHandler = () => this.#find();
    this.#watcher.onDidCreate((uri) => this.#read(uri));
    this.#watcher.onDidChange((uri) => this.#read(uri));
    this.#watcher.onDidDelete((uri) => controller.items.delete(uri.toString()));
  }

  dispose(): void {
    this.#watcher.dispose();
  }

  /** What a request asks for, from the files as they are now. */
  async due({ include, exclude = [] }: vscode.TestRunRequest): Promise<DueTest[]> {
    const asked = include ?? [...this.#controller.items].map(([, file]) => file);
    const files = new Set(
      asked.map((item) => item.parent ?? item).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    );
    for (const { uri } of files) if (uri) await this.#read(uri);
    const wanted = new Set(asked.map(({ id }) => id));
    const unwanted = new Set(exclude.map(({ id }) => id));
    return [...files].flatMap((file): DueTest[] => {
      const wrong = this.#wrong.get(file.id);
      if (wrong) return [{ item: file, what: wrong }];
      const isWhole = wanted.has(file.id) && !unwanted.has(file.id);
      return [...file.children].flatMap(([id, item]) => {
        const what = this.#cases.get(id);
        return what && (isWhole || wanted.has(id)) && !unwanted.has(id) ? [{ item, what }] : [];
      });
    });
  }

  async #find(): Promise<void> {
    const files = await vscode.workspace.findFiles(FILES, '**/node_modules/**');
    const there = new Set(files.map(String));
    for (const [id] of this.#controller.items) if (!there.has(id)) this.#controller.items.delete(id);
    await Promise.all(files.map((uri) => this.#read(uri)));
  }

  async #read(uri: vscode.Uri): Promise<void> {
    const id = uri.toString();
    const file = vscode.workspace.asRelativePath(uri);
    const item = this.#controller.items.get(id) ?? this.#controller.createTestItem(id, file, uri);
    item.canResolveChildren = true;
    this.#controller.items.add(item);
    for (const [child] of item.children) this.#cases.delete(child);
    this.#wrong.delete(id);
    try {
      const text = Buffer.from(await vscode.workspace.fs.readFile(uri)).toString();
      item.children.replace(readBootTest(text, file).map((test) => this.#caseItem(uri, test)));
      item.error = undefined;
    } catch (error) {
      item.children.replace([]);
      item.error = messageOf(error);
      const problems = error instanceof YamlError ? error.problems : [];
      const all = problems.map(({ from, message }) => messageAt(uri, from, message));
      this.#wrong.set(id, all.length > 0 ? all : [new vscode.TestMessage(item.error)]);
    }
  }

  #caseItem(uri: vscode.Uri, test: BootCase): vscode.TestItem {
    const item = this.#controller.createTestItem(`${uri.toString()}#${test.name}`, test.name, uri);
    item.range = rangeAt(test.placeOf(['image']));
    this.#cases.set(item.id, test);
    return item;
  }
}

/** A message at a place of a file, to the end of its line. */
export function messageAt(uri: vscode.Uri, place: Position, text: string): vscode.TestMessage {
  const message = new vscode.TestMessage(text);
  message.location = new vscode.Location(uri, rangeAt(place));
  return message;
}

function rangeAt({ line, column }: Position): vscode.Range {
  return new vscode.Range(line - 1, column - 1, line - 1, Number.MAX_SAFE_INTEGER);
}
