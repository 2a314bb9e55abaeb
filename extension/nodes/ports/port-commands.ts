import * as vscode from 'vscode';
import type { PortInfo } from '../../../backend/api/port.ts';
import { BootyardError } from '../../../backend/errors.ts';
import type { Parts } from '../../features.ts';
import { registerCommands } from '../../ui/commands.ts';
import { targetNode, validFor } from '../node-targets.ts';
import { NodePorts, portUri } from './node-ports.ts';
import { parsePorts, portAddress, portRow } from './port-text.ts';

interface PortItem extends vscode.QuickPickItem {
  readonly port: PortInfo;
}

const BROWSE: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('globe'),
  tooltip: 'Open in Browser',
};
const STOP: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('debug-stop'),
  tooltip: 'Stop Exposing',
};
const SETTINGS: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('gear'),
  tooltip: 'Open Node Settings',
};

/** Ports of nodes on this machine: opened for as long as the window is there, listed, and opened in the browser. */
export function registerPortCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const ports = new NodePorts(parts);

  async function expose(args: unknown[]): Promise<PortInfo> {
    await requireLab();
    const question = { title: 'Expose a port of which node?', ...validFor.any };
    const { mac, name } = await targetNode(connection.model, args, question);
    const given = typeof args[2] === 'string' ? args[2] : await askPorts(name);
    const wanted = parsePorts(given);
    if (!wanted) throw new BootyardError('port.wrong', `"${given}" is no port: write 80, or 80:8080.`);
    const port = await ports.open(mac, name, wanted.nodePort, wanted.hostPort);
    void say(port);
    return port;
  }

  async function say(port: PortInfo): Promise<void> {
    const text = `Port ${port.nodePort} of ${port.node} is now at ${portAddress(port)}, until this window is closed.`;
    const chosen = await vscode.window.showInformationMessage(text, BROWSE.tooltip ?? '', STOP.tooltip ?? '');
    if (chosen === BROWSE.tooltip) await browse(port);
    else if (chosen === STOP.tooltip) ports.close(port.hostPort);
  }

  async function list(): Promise<void> {
    await requireLab();
    const all = await connection.call('port.list', {});
    if (all.length === 0) {
      const action = 'Expose Port...';
      const text = 'No port of this machine leads to a node.';
      const chosen = await vscode.window.showInformationMessage(text, action);
      if (chosen === action) await vscode.commands.executeCommand('bootyard.node.expose');
      return;
    }
    const picker = vscode.window.createQuickPick<PortItem>();
    picker.title = 'Ports of nodes on this machine';
    picker.placeholder = 'Choose a port to open it in the browser';
    picker.items = all.map(item);
    const act = (button: vscode.QuickInputButton, port: PortInfo): void => {
      picker.hide();
      if (button === STOP) ports.close(port.hostPort);
      else if (button === SETTINGS) void vscode.commands.executeCommand('bootyard.node.config', port.node);
      else void browse(port).catch((error: unknown) => errors.report(error));
    };
    picker.onDidTriggerItemButton(({ button, item: { port } }) => act(button, port));
    picker.onDidAccept(() => {
      const [chosen] = picker.activeItems;
      if (chosen) act(chosen.port.state === 'open' ? BROWSE : SETTINGS, chosen.port);
    });
    picker.onDidHide(() => picker.dispose());
    picker.show();
  }

  function item(port: PortInfo): PortItem {
    const isOurs = ports.isOurs(port);
    const more = port.permanent ? [SETTINGS] : isOurs ? [STOP] : [];
    const buttons = port.state === 'open' ? [BROWSE, ...more] : more;
    return { ...portRow(port, isOurs), port, buttons };
  }

  const commands = registerCommands(errors, {
    'bootyard.node.expose': (...args) => expose(args),
    'bootyard.node.ports': () => list(),
  });
  return vscode.Disposable.from(commands, ports);
}

async function askPorts(node: string): Promise<string> {
  const text = await vscode.window.showInputBox({
    title: `Expose a port of ${node}`,
    prompt: 'A TCP port of the node; with :PORT behind it that port of this machine, otherwise a free one',
    placeHolder: '80, or 80:8080',
    validateInput: (value) => (parsePorts(value) ? undefined : 'Write a port, 80, or two, 80:8080.'),
  });
  if (text === undefined) throw new vscode.CancellationError();
  return text;
}

async function browse(port: PortInfo): Promise<void> {
  await vscode.env.openExternal(portUri(port));
}
