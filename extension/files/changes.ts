import { posix } from 'node:path';
import * as vscode from 'vscode';

/** A path by which one root file system differs from another one. */
export interface FileChange {
  path: string;
  /** added, modified, deleted */
  kind: 'A' | 'M' | 'D';
  type: string;
}
/** Two root file systems: how each names a path, and what their difference is called. */
export interface Comparison {
  title: string;
  from: (path: string) => vscode.Uri;
  to: (path: string) => vscode.Uri;
}

/** The multi-diff editor takes its time for each file. */
const MAX_SHOWN = 300;
const MAX_ROWS = 5000;
const ICONS = { A: 'diff-added', M: 'diff-modified', D: 'diff-removed' };
const WORDS = { A: 'added', M: 'modified', D: 'deleted' };

/** Files that an editor can show; a hard link is a file. */
function isFile({ type }: FileChange): boolean {
  return type === 'file' || type === 'hardlink';
}

/** What differs, in one editor of many diffs; says what is not in it. */
export async function openChanges(comparison: Comparison, changes: readonly FileChange[]): Promise<void> {
  const files = changes.filter(isFile);
  const rest = changes.length - Math.min(files.length, MAX_SHOWN);
  if (rest > 0) {
    const first = files.length > 0 ? `${Math.min(files.length, MAX_SHOWN)} files are shown; ` : '';
    const text = `${first}${rest} more ${rest === 1 ? 'path differs' : 'paths differ'} (folders, links, modes).`;
    void vscode.window.showInformationMessage(`${comparison.title}: ${text}`);
  }
  if (files.length === 0) return;
  const list = files.slice(0, MAX_SHOWN).map(({ path, kind }) => {
    const from = kind === 'A' ? undefined : comparison.from(path);
    const to = kind === 'D' ? undefined : comparison.to(path);
    return [to ?? from, from, to];
  });
  await vscode.commands.executeCommand('vscode.changes', comparison.title, list);
}

/** The difference as a source control view: rows that open diffs, and marks beside the lines that differ. */
export class ChangesView implements vscode.QuickDiffProvider {
  readonly root: vscode.Uri;
  readonly comparison: Comparison;
  readonly #control: vscode.SourceControl;
  readonly #group: vscode.SourceControlResourceGroup;
  readonly #load: () => Promise<FileChange[]>;
  #changes: FileChange[] = [];
  #loading: Promise<void> | undefined;
  #again = false;

  /** `id`: `bootyard.edit` or `bootyard.node`, by which the manifest's menus tell them apart */
  constructor(
    { id, label, root }: { id: string; label: string; root: vscode.Uri },
    comparison: Comparison,
    load: () => Promise<FileChange[]>,
  ) {
    this.root = root;
    this.comparison = comparison;
    this.#load = load;
    this.#control = vscode.scm.createSourceControl(id, label, root);
    this.#control.inputBox.visible = false;
    this.#control.quickDiffProvider = this;
    this.#group = this.#control.createResourceGroup('changes', 'Changes');
    this.#group.hideWhenEmpty = false;
  }

  get changes(): readonly FileChange[] {
    return this.#changes;
  }

  dispose(): void {
    this.#control.dispose();
  }

  provideOriginalResource(uri: vscode.Uri): vscode.Uri | undefined {
    const isHere = uri.scheme === this.root.scheme && uri.authority === this.root.authority;
    const isKnown = this.#changes.some(({ path, kind }) => path === uri.path && kind === 'M');
    return isHere && isKnown ? this.comparison.from(uri.path) : undefined;
  }

  /** Reads the difference again; calls while it is read are one more time. */
  refresh(): Promise<void> {
    if (this.#loading) {
      this.#again = true;
      return this.#loading;
    }
    this.#loading = this.#reload().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #reload(): Promise<void> {
    do {
      this.#again = false;
      this.#changes = await this.#load();
    } while (this.#again);
    this.#group.resourceStates = this.#changes.slice(0, MAX_ROWS).map((change) => this.#row(change));
    this.#control.count = this.#changes.length;
  }

  #row(change: FileChange): vscode.SourceControlResourceState {
    const { path, kind } = change;
    const resourceUri = this.comparison.to(path);
    return {
      resourceUri,
      command: isFile(change) ? this.#open(change) : undefined,
      decorations: {
        tooltip: `${WORDS[kind]}: ${change.type}`,
        strikeThrough: kind === 'D',
        iconPath: new vscode.ThemeIcon(ICONS[kind]),
      },
      contextValue: kind,
    };
  }

  #open({ path, kind }: FileChange): vscode.Command {
    const [from, to] = [this.comparison.from(path), this.comparison.to(path)];
    const title = `${posix.basename(path)} (${this.comparison.title})`;
    if (kind === 'M') return { command: 'vscode.diff', title: 'Open Changes', arguments: [from, to, title] };
    return { command: 'vscode.open', title: 'Open', arguments: [kind === 'D' ? from : to] };
  }
}
