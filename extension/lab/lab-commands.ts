import * as vscode from 'vscode';
import { labEnvironment, nodePath } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { isForced } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { runDoctor } from './doctor.ts';
import { statusSentence } from './lab-text.ts';
import { labView } from './status-bar.ts';

const WALKTHROUGH = 'bootyard.bootyard#start';
const SHOW_NODES = 'Show Nodes';

/** The lab as a whole: start, stop, status, doctor, log, walkthrough. */
export function registerLabCommands(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, log, requireLab } = parts;

  async function stop(options: unknown): Promise<void> {
    const sure = isForced(options) || (await confirmStop());
    if (!sure) throw new vscode.CancellationError();
    await withProgress('Bootyard lab', (task) => connection.stop(task));
  }

  async function confirmStop(): Promise<boolean> {
    const running = connection.model.nodes.filter((node) => node.state !== 'off').length;
    if (running === 0) return true;
    const detail = `${running} ${running === 1 ? 'node' : 'nodes'} will be powered off.`;
    return (
      (await vscode.window.showWarningMessage('Stop the lab?', { modal: true, detail }, 'Stop')) === 'Stop'
    );
  }

  async function status(): Promise<string> {
    // The daemon's memory and acceleration as they are now; views live with what changes bring.
    const lab = connection.client ? await connection.call('lab.status', {}) : undefined;
    const sentence = statusSentence({ ...labView(connection), ...(lab ? { lab } : {}) });
    void vscode.window.showInformationMessage(sentence, SHOW_NODES).then((chosen) => {
      if (chosen === SHOW_NODES) void vscode.commands.executeCommand('bootyard.nodes.focus');
    });
    return sentence;
  }

  async function doctor(): Promise<boolean> {
    const report = await withProgress('Checking this machine', ({ signal }) =>
      runDoctor(nodePath(), labEnvironment(), signal),
    );
    log.info(`doctor:\n${report.text}`);
    const verdict = report.healthy
      ? 'This machine can run Bootyard.'
      : 'Something is missing: each line that says FAIL tells how to get it.';
    await documents.show('Bootyard doctor', `${verdict}\n\n${report.text}`);
    return report.healthy;
  }

  return registerCommands(errors, {
    'bootyard.lab.start': () => requireLab(),
    'bootyard.lab.stop': (options) => stop(options),
    'bootyard.lab.status': () => status(),
    'bootyard.lab.doctor': () => doctor(),
    'bootyard.lab.reconnect': () => connection.reconnect(),
    'bootyard.lab.showLog': async () => log.show(true),
    'bootyard.lab.walkthrough': async () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', WALKTHROUGH, false),
  });
}
