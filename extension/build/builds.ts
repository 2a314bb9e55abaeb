import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { watchBuilds } from '../../backend/api/build-watch.ts';
import type { BuildRequest, Built } from '../../backend/api/builds.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { isCancelled } from '../ui/errors.ts';
import { said } from '../ui/said.ts';
import { BuildTerminal } from './build-terminal.ts';
import { type NodeChoice, nodeChoice } from './node-choice.ts';

/** What is built, under which name. */
export interface BuildTarget {
  readonly source: { dockerfile: vscode.Uri } | { url: string; subDir: string | undefined };
  readonly name: string;
  /** on which steps `RUN --on-node` run; asked if absent */
  readonly node?: string | undefined;
}
export interface WatchTarget extends BuildTarget {
  readonly source: { dockerfile: vscode.Uri };
}
interface Shown {
  readonly terminal: vscode.Terminal;
  readonly pty: BuildTerminal;
}

/** Builds of Dockerfiles: output in a terminal for each image, failures at their lines, and those that are watched. */
export class Builds implements vscode.Disposable {
  readonly #parts: Parts;
  readonly #problems = vscode.languages.createDiagnosticCollection('Bootyard builds');
  readonly #shown = new Map<string, Shown>();
  readonly #watched = new Map<string, AbortController>();
  readonly #onWatch: () => void;

  /** `onWatch`: another Dockerfile is watched, or one is not any more */
  constructor(parts: Parts, onWatch: () => void) {
    this.#parts = parts;
    this.#onWatch = onWatch;
  }

  readonly isWatched = (uri: vscode.Uri): boolean => this.#watched.has(uri.toString());

  dispose(): void {
    for (const watch of this.#watched.values()) watch.abort();
    for (const { terminal } of this.#shown.values()) terminal.dispose();
    this.#problems.dispose();
  }

  /** Builds once; the failure that it throws is at its line already. */
  async build(target: BuildTarget, force: boolean): Promise<Built> {
    const pty = await this.#terminal(target.name);
    const choose = nodeChoice(this.#parts.connection.model, target.node);
    return await pty.during((signal) => this.#run(target, force, pty, signal, choose));
  }

  /** Builds after each save, until it is stopped or its terminal is closed. Nodes that use the image are rebooted. */
  async watch(target: WatchTarget): Promise<void> {
    const { dockerfile } = target.source;
    const key = dockerfile.toString();
    if (this.#watched.has(key)) return;
    const stop = new AbortController();
    this.#watched.set(key, stop);
    this.#onWatch();
    const { fsPath } = dockerfile;
    const choose = nodeChoice(this.#parts.connection.model, target.node);
    try {
      const pty = await this.#terminal(target.name);
      await pty.during(async (signal) => {
        const both = AbortSignal.any([signal, stop.signal]);
        pty.write(`\x1b[1mWatching ${dirname(fsPath)}: each save builds ${target.name} again\x1b[0m\n`);
        const watched = {
          folder: dirname(fsPath),
          file: basename(fsPath),
          build: () => this.#run(target, true, pty, both, choose),
          onBuilt: () => undefined,
          onFailed: () => pty.write('The image is what it was; the next save builds again.\n'),
          onChange: (paths: string[]) => pty.write(`\n\x1b[1mChanged: ${paths.join(', ')}\x1b[0m\n`),
        };
        await watchBuilds(watched, both);
        pty.write('Watching ended.\n');
      });
    } finally {
      this.#watched.delete(key);
      this.#onWatch();
    }
  }

  stopWatching(uri: vscode.Uri | undefined): void {
    if (uri) this.#watched.get(uri.toString())?.abort();
    else for (const watch of this.#watched.values()) watch.abort();
  }

  async #run(
    { source, name }: BuildTarget,
    force: boolean,
    { write }: BuildTerminal,
    signal: AbortSignal,
    chooseNode: NodeChoice,
  ): Promise<Built> {
    const client = await this.#parts.requireLab();
    const dockerfile = 'dockerfile' in source ? source.dockerfile : undefined;
    if (dockerfile) this.#problems.delete(dockerfile);
    const { buildImage } = await import('../../backend/api/builds.ts');
    const engine = vscode.workspace.getConfiguration('bootyard').get<string>('engine')?.trim() || undefined;
    const title = `Building ${name}`;
    const location = vscode.ProgressLocation.Window;
    try {
      const built = await vscode.window.withProgress({ location, title }, (progress) =>
        buildImage(
          client,
          { name, ...placeOf(source), force },
          {
            signal,
            onOutput: write,
            onProgress: (step) => progress.report(step),
            chooseNode,
            engine,
            env: labEnvironment(),
          },
        ),
      );
      write(`\x1b[32m${builtText(built)}\x1b[0m\n`);
      said(builtText(built));
      return built;
    } catch (error) {
      if (signal.aborted || isCancelled(error)) {
        write('\nCancelled.\n');
        throw new vscode.CancellationError();
      }
      write(`\n\x1b[31m${messageOf(error)}\x1b[0m\n`);
      if (dockerfile) this.#mark(dockerfile, error);
      throw error;
    }
  }

  /** Shows a failure where it is. */
  #mark(dockerfile: vscode.Uri, error: unknown): void {
    const line = error instanceof BootyardError ? error.data['line'] : undefined;
    if (typeof line !== 'number') return;
    const range = new vscode.Range(line - 1, 0, line - 1, Number.MAX_SAFE_INTEGER);
    const problem = new vscode.Diagnostic(range, messageOf(error));
    problem.source = 'Bootyard';
    this.#problems.set(dockerfile, [problem]);
  }

  /** That of the image, new unless it is open and idle. */
  async #terminal(name: string): Promise<BuildTerminal> {
    this.#shown.get(name)?.terminal.dispose();
    const pty = new BuildTerminal(() => {
      if (this.#shown.get(name)?.pty === pty) this.#shown.delete(name);
    });
    const iconPath = new vscode.ThemeIcon('tools');
    const terminal = vscode.window.createTerminal({
      name: `Build ${name}`,
      pty,
      iconPath,
      isTransient: true,
    });
    this.#shown.set(name, { terminal, pty });
    terminal.show(true);
    await pty.opened;
    return pty;
  }
}

function placeOf(source: BuildTarget['source']): Pick<BuildRequest, 'from' | 'file' | 'subDir'> {
  if ('url' in source) return { from: { url: source.url }, subDir: source.subDir };
  const { fsPath } = source.dockerfile;
  return { from: { folder: dirname(fsPath) }, file: basename(fsPath) };
}

function builtText({ image, changed, rebooted }: Built): string {
  if (!changed) return `Image ${image.name} is what it was.`;
  const reboots = rebooted.length === 0 ? '' : `; rebooted: ${rebooted.join(', ')}`;
  return `Image ${image.name} is built${reboots}.`;
}
