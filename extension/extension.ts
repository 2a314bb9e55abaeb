import * as vscode from 'vscode';
import { BootyardError } from '../backend/errors.ts';
import { mcpServer, registerMcpServer } from './agents/mcp-server.ts';
import { registerAgentTools } from './agents/tools.ts';
import { registerBuildCommands } from './build/build-commands.ts';
import { registerCaptureCommands } from './captures/capture-commands.ts';
import { LabConnection } from './daemon/connection.ts';
import { configuredLab } from './daemon/lab-access.ts';
import type { LabClient } from './daemon/lab-client.ts';
import { registerDebug } from './debug/register.ts';
import type { Parts } from './features.ts';
import { registerFiles } from './files/register.ts';
import { registerImageCommands } from './images/image-commands.ts';
import { registerImageShell } from './images/image-shell.ts';
import { ImageFindings } from './images/image-findings.ts';
import { registerImagesView, type ImagesView } from './images/images-view.ts';
import { registerImageLint } from './images/lint-commands.ts';
import { registerImageOperations } from './images/operation-commands.ts';
import { registerContextKeys } from './lab/context-keys.ts';
import { registerLabFile } from './lab-file/apply-command.ts';
import { registerLabCommands } from './lab/lab-commands.ts';
import { registerStatusBar } from './lab/status-bar.ts';
import { registerLogPanels } from './logs/log-panels.ts';
import { registerCopyCommands } from './nodes/copy-commands.ts';
import { registerDiskCommands } from './nodes/disks/disk-commands.ts';
import { registerEditCommands } from './nodes/edit-commands.ts';
import { registerLifecycleCommands } from './nodes/lifecycle-commands.ts';
import { registerLookCommands } from './nodes/look-commands.ts';
import { NodeTerminals } from './nodes/node-terminals.ts';
import { registerNodesView, type NodesView } from './nodes/nodes-view.ts';
import { registerPingCommands } from './nodes/ping-commands.ts';
import { registerPortCommands } from './nodes/ports/port-commands.ts';
import { registerReplayCommands } from './nodes/replay-commands.ts';
import { registerRunCommands } from './nodes/run-commands.ts';
import { registerSaveCommands } from './nodes/save-commands.ts';
import { registerSettingsPanels } from './nodes/settings/settings-panels.ts';
import { registerConsoleTextCommands } from './nodes/console-text-commands.ts';
import { registerTerminalLinks } from './nodes/terminal-links.ts';
import { registerTimelinePanels } from './timeline/timeline-panels.ts';
import { registerTopologyPanels } from './topology/topology-panels.ts';
import { registerSnapshotCommands } from './nodes/snapshots/snapshot-commands.ts';
import { registerRegistryCommands } from './registries/registry-commands.ts';
import { registerBootTests } from './tests/boot-tests.ts';
import { ErrorReporter } from './ui/errors.ts';
import { withProgress } from './ui/progress.ts';
import { TextDocuments } from './ui/text-documents.ts';
import { registerWallPanels } from './wall/wall-panels.ts';
import { registerYaml } from './yaml/register.ts';

/** What other extensions, and the tests, can reach. */
export interface BootyardExtension {
  readonly connection: LabConnection;
  readonly nodes: NodesView;
  readonly images: ImagesView;
  readonly mcpServer: typeof mcpServer;
}

/** Registers everything at once and looks for a running lab afterwards; starts none before it is asked for one. */
export function activate(context: vscode.ExtensionContext): BootyardExtension {
  const log = vscode.window.createOutputChannel('Bootyard', { log: true });
  const connection = new LabConnection(configuredLab, (line) => log.info(line));
  const documents = new TextDocuments();
  const parts: Parts = {
    connection,
    documents,
    errors: new ErrorReporter(log),
    log,
    memory: context.workspaceState,
    requireLab: () => requireLab(connection),
  };
  const terminals = new NodeTerminals(parts);
  const nodes = registerNodesView(connection);
  const findings = new ImageFindings(connection);
  const images = registerImagesView(parts, findings);
  context.subscriptions.push(
    log,
    connection,
    documents,
    nodes,
    images,
    registerContextKeys(connection),
    registerStatusBar(connection),
    registerLabCommands(parts),
    registerLabFile(parts),
    registerYaml(connection.model),
    registerLifecycleCommands(parts),
    registerEditCommands(parts),
    registerLookCommands(parts),
    registerRunCommands(parts),
    registerPingCommands(parts),
    registerReplayCommands(parts),
    registerCopyCommands(parts),
    registerDiskCommands(parts),
    registerPortCommands(parts),
    registerSnapshotCommands(parts),
    registerSaveCommands(parts),
    registerImageCommands(parts),
    registerBuildCommands(parts),
    registerImageShell(parts),
    registerFiles(parts),
    registerBootTests(parts),
    registerImageOperations(parts),
    registerImageLint(parts, findings),
    registerRegistryCommands(parts, context),
    registerAgentTools(parts),
    registerMcpServer(),
    terminals,
    registerTerminalLinks(parts, terminals),
    registerConsoleTextCommands(parts),
    registerCaptureCommands(parts),
    registerDebug(parts, nodes),
    registerSettingsPanels(parts, context.extensionUri),
    registerTimelinePanels(parts, context.extensionUri),
    registerLogPanels(parts, context.extensionUri),
    registerWallPanels(parts, context.extensionUri),
    registerTopologyPanels(parts, context.extensionUri),
    followTrouble(parts),
    followSettings(connection),
  );
  void connection.look();
  return { connection, nodes, images, mcpServer };
}

async function requireLab(connection: LabConnection): Promise<LabClient> {
  return connection.client ?? (await withProgress('Bootyard lab', (task) => connection.require(task)));
}

/** A daemon that heals itself shows in the status bar alone; one that does not come back is said once, with a way out. */
function followTrouble({ connection, errors, log }: Parts): vscode.Disposable {
  return connection.onState((state) => {
    log.info(`lab: ${state}${connection.failure ? ` (${connection.failure})` : ''}`);
    if (state === 'failing' && connection.failureCode && connection.failureCode !== 'lab.lost') {
      const failure = new BootyardError(connection.failureCode, connection.failure ?? '');
      errors.report(failure, { title: 'Retry', run: () => connection.reconnect() });
    }
  });
}

function followSettings(connection: LabConnection): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((change) => {
    if (change.affectsConfiguration('bootyard.home')) void connection.reconnect();
  });
}
