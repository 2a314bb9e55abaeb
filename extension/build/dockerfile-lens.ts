import * as vscode from 'vscode';
import { nodeImageLines } from '../../backend/api/dockerfile.ts';
import type { LabModel } from '../daemon/lab-model.ts';

/** Dockerfiles by their names, whatever extension calls their language what. */
export const DOCKERFILES: vscode.DocumentSelector = [
  { scheme: 'file', language: 'dockerfile' },
  { scheme: 'file', pattern: '**/{Dockerfile,Containerfile,Dockerfile.*,*.Dockerfile,*.dockerfile}' },
];

/** *Build and Boot* above each FROM from which a node image is built. */
export class DockerfileLens implements vscode.CodeLensProvider {
  readonly #model: LabModel;
  readonly #isWatched: (uri: vscode.Uri) => boolean;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #watch: { dispose(): void };
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(model: LabModel, isWatched: (uri: vscode.Uri) => boolean) {
    this.#model = model;
    this.#isWatched = isWatched;
    this.#watch = model.onChanged(({ type }) => {
      if (type === 'images') this.refresh();
    });
  }

  refresh(): void {
    this.#changed.fire();
  }

  dispose(): void {
    this.#watch.dispose();
    this.#changed.dispose();
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const images = new Set(this.#model.images.map(({ name }) => name));
    const watch = this.#isWatched(document.uri)
      ? { title: '$(debug-stop) Stop Watching', command: 'bootyard.image.stopWatchingBuild' }
      : { title: '$(eye) Watch', command: 'bootyard.image.watchBuild' };
    const boot = { title: '$(play) Build and Boot', command: 'bootyard.image.buildAndBoot' };
    return nodeImageLines(document.getText(), images).flatMap((line) =>
      [boot, watch].map(
        (command) =>
          new vscode.CodeLens(new vscode.Range(line - 1, 0, line - 1, 0), {
            ...command,
            arguments: [document.uri],
          }),
      ),
    );
  }
}
