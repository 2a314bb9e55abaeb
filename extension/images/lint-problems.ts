import { realpath } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { Finding, ImageInfo } from '../../backend/api/image.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { Coalescer } from '../ui/coalescer.ts';
import { dockerfileOf, lineOf } from './dockerfile-places.ts';
import type { ImageFindings } from './image-findings.ts';
import { type LintDocuments, lintUri } from './lint-documents.ts';

const DOCKERFILES = '**/{Dockerfile,Containerfile,*.Dockerfile,*.dockerfile,Dockerfile.*,Containerfile.*}';
/** Of a workspace; a larger one is none of images. */
const MAX_DOCKERFILES = 200;

interface Dockerfile {
  readonly uri: vscode.Uri;
  /** without links, as builds tell it */
  readonly path: string;
  readonly text: string;
}
/** Findings of one image: of which content, in which document, on which lines (from 0). */
interface Shown {
  readonly id: string;
  readonly uri: vscode.Uri;
  readonly findings: readonly Finding[];
  readonly lines: readonly number[];
}

/** A diagnostic that knows what it says: quick fixes need that. */
export class FindingDiagnostic extends vscode.Diagnostic {
  readonly finding: Finding;
  readonly image: string;
  constructor(line: number, image: string, finding: Finding) {
    const range = new vscode.Range(line, 0, line, Number.MAX_SAFE_INTEGER);
    super(range, `${finding.message} ${finding.fix}`, severities[finding.severity]);
    this.source = `bootyard image ${image}`;
    this.code = finding.rule;
    this.finding = finding;
    this.image = image;
  }
}

const severities: Record<Finding['severity'], vscode.DiagnosticSeverity> = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  info: vscode.DiagnosticSeverity.Information,
};

/**
 * Findings of images among the editor's problems: of those that nodes use (errors and warnings), and of those that the
 * user has checked. They stand in the Dockerfile of the workspace that builds the image, or in a text of their own.
 */
export class LintProblems implements vscode.Disposable {
  readonly #connection: LabConnection;
  readonly #findings: ImageFindings;
  readonly #documents: LintDocuments;
  readonly #collection = vscode.languages.createDiagnosticCollection('bootyard-lint');
  readonly #log: (line: string) => void;
  readonly #pending = new Coalescer<'all'>(() => void this.#update());
  readonly #subscriptions: vscode.Disposable;
  /** names of images that the user has asked for */
  readonly #asked = new Set<string>();
  /** what is on show: image -> its content's id and where its findings stand */
  readonly #shown = new Map<string, Shown>();
  #running: Promise<void> = Promise.resolve();

  constructor(
    connection: LabConnection,
    findings: ImageFindings,
    documents: LintDocuments,
    log: (line: string) => void,
  ) {
    this.#connection = connection;
    this.#findings = findings;
    this.#documents = documents;
    this.#log = log;
    const watcher = vscode.workspace.createFileSystemWatcher(DOCKERFILES);
    const again = (): void => {
      this.#shown.clear();
      this.#pending.add('all');
    };
    this.#subscriptions = vscode.Disposable.from(
      this.#collection,
      watcher,
      watcher.onDidChange(again),
      watcher.onDidCreate(again),
      watcher.onDidDelete(again),
      connection.model.onChanged((change) => {
        if (change.type === 'images') this.#pending.add('all');
      }),
    );
    this.#pending.add('all');
  }

  /** Shows what is found in an image, notes included, from now on. */
  async check(
    image: ImageInfo,
    signal: AbortSignal,
  ): Promise<{ uri: vscode.Uri; findings: readonly Finding[] }> {
    const findings = await this.#findings.of(image, signal);
    this.#asked.add(image.name);
    this.#shown.delete(image.name);
    await this.#update();
    return { uri: this.#shown.get(image.name)?.uri ?? lintUri(image.name), findings };
  }

  dispose(): void {
    this.#pending.dispose();
    this.#subscriptions.dispose();
  }

  /** One at a time, in turns. Never throws. */
  #update(): Promise<void> {
    this.#running = this.#running.then(() => this.#refresh());
    return this.#running;
  }

  async #refresh(): Promise<void> {
    try {
      const images = this.#connection.model.images.filter((image) => this.#isWanted(image));
      const names = new Set(images.map(({ name }) => name));
      const gone = [...this.#shown.keys()].filter((name) => !names.has(name));
      const stale = images.filter(({ name, id }) => this.#shown.get(name)?.id !== id);
      if (gone.length === 0 && stale.length === 0) return;
      for (const name of gone) this.#shown.delete(name);
      const dockerfiles = stale.length > 0 ? await readDockerfiles() : [];
      for (const image of stale) await this.#place(image, dockerfiles);
      this.#publish();
    } catch (error) {
      // The daemon is away: what is on show stays true of the images that it was said of.
      this.#log(`findings of images are not up to date: ${String(error)}`);
    }
  }

  #isWanted({ name, inUse, lint }: ImageInfo): boolean {
    return this.#asked.has(name) || (inUse && lint !== undefined && lint.errors + lint.warnings > 0);
  }

  async #place(image: ImageInfo, dockerfiles: readonly Dockerfile[]): Promise<void> {
    const all = await this.#findings.of(image);
    const findings = this.#asked.has(image.name) ? all : all.filter(({ severity }) => severity !== 'info');
    const own = dockerfileOf(image, dockerfiles);
    const lines = own
      ? findings.map(({ path }) => lineOf(own.text, path))
      : this.#documents.put(image.name, findings);
    this.#shown.set(image.name, { id: image.id, uri: own?.uri ?? lintUri(image.name), findings, lines });
  }

  #publish(): void {
    this.#collection.clear();
    const byUri = new Map<string, { uri: vscode.Uri; diagnostics: vscode.Diagnostic[] }>();
    for (const [image, { uri, findings, lines }] of this.#shown) {
      const entry = byUri.get(uri.toString()) ?? { uri, diagnostics: [] };
      entry.diagnostics.push(
        ...findings.map((finding, at) => new FindingDiagnostic(lines[at] ?? 0, image, finding)),
      );
      byUri.set(uri.toString(), entry);
    }
    this.#collection.set([...byUri.values()].map(({ uri, diagnostics }) => [uri, diagnostics]));
  }
}

/** As they are in editors, saved or not. */
async function readDockerfiles(): Promise<Dockerfile[]> {
  const uris = await vscode.workspace.findFiles(DOCKERFILES, '**/node_modules/**', MAX_DOCKERFILES);
  const documents = await Promise.allSettled(uris.map((uri) => vscode.workspace.openTextDocument(uri)));
  const opened = documents.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  return await Promise.all(
    opened.map(async (document) => {
      const { uri } = document;
      const path = uri.scheme === 'file' ? await realpath(uri.fsPath).catch(() => uri.path) : uri.path;
      return { uri, path, text: document.getText() };
    }),
  );
}
