import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { readLab } from '../../backend/api/lab-file/read.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { rangeOf } from '../yaml/file-problems.ts';

/** *Apply* above a lab file, and *Boot*, *Console*, *Timeline* above each of its nodes but those that the lab does not have. */
export class LabLens implements vscode.CodeLensProvider {
  readonly #connection: LabConnection;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #watches: { dispose(): void }[];
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.#watches = [
      connection.onState(() => this.#changed.fire()),
      connection.model.onChanged(({ type }) => {
        if (type === 'nodeList') this.#changed.fire();
      }),
    ];
  }

  dispose(): void {
    for (const watch of this.#watches) watch.dispose();
    this.#changed.dispose();
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const { nodeNames, at } = readLab(document.getText(), dirname(document.uri.fsPath));
    const apply = { title: '$(check-all) Apply', command: 'bootyard.lab.apply', arguments: [document.uri] };
    const top = new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), apply);
    const nodes = nodeNames.filter((name) => this.#mayBeThere(name));
    return [top, ...nodes.flatMap((name) => nodeLenses(name, rangeOf(at(['nodes', name], true))))];
  }

  /** What a lab has that does not run is not known. */
  #mayBeThere(name: string): boolean {
    const { state, model } = this.#connection;
    return state !== 'running' || model.nodeNamed(name) !== undefined;
  }
}

function nodeLenses(name: string, range: vscode.Range): vscode.CodeLens[] {
  const commands = [
    ['$(play) Boot', 'bootyard.node.boot'],
    ['$(plug) Console', 'bootyard.node.console'],
    ['$(graph) Timeline', 'bootyard.node.timeline'],
  ] as const;
  return commands.map(
    ([title, command]) => new vscode.CodeLens(range, { title, command, arguments: [name] }),
  );
}
