import type * as vscode from 'vscode';
import type { LabConnection } from './daemon/connection.ts';
import type { LabClient } from './daemon/lab-client.ts';
import type { ErrorReporter } from './ui/errors.ts';
import type { TextDocuments } from './ui/text-documents.ts';

/** What every feature gets. Each registers its parts and hands back what ends them. */
export interface Parts {
  readonly connection: LabConnection;
  /** The lab's client; starts the lab, under a progress notification, when it does not run. */
  readonly requireLab: () => Promise<LabClient>;
  readonly errors: ErrorReporter;
  readonly log: vscode.LogOutputChannel;
  readonly documents: TextDocuments;
  /** kept with the workspace */
  readonly memory: vscode.Memento;
}
