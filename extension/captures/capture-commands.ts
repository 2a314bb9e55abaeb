import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import * as vscode from 'vscode';
import type { CaptureInfo } from '../../backend/api/capture.ts';
import { formatSize } from '../../backend/api/text-table.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { targetNode, targetNodes, validFor } from '../nodes/node-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { said } from '../ui/said.ts';
import { packetList } from './packet-list.ts';

interface CaptureItem extends vscode.QuickPickItem {
  readonly capture: CaptureInfo;
}

/** Packets of nodes: captured, and opened in Wireshark where there is one, else as a list. */
export function registerCaptureCommands(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;

  async function start(args: unknown[]): Promise<void> {
    await requireLab();
    const title = 'Capture the packets of which nodes?';
    for (const { name } of await targetNodes(connection.model, args, { title, ...validFor.any })) {
      const started = await connection.call('node.captureStart', { node: name });
      const when =
        started.length === 0 ? 'from its next boot on' : 'now, and from power-on in each next boot';
      said(`The packets of ${name} are captured ${when}`);
    }
  }

  async function stop(args: unknown[]): Promise<void> {
    await requireLab();
    const title = 'Capture the packets of which nodes no more?';
    for (const { name } of await targetNodes(connection.model, args, { title, ...validFor.any })) {
      await connection.call('node.captureStop', { node: name });
      said(`The packets of ${name} are not captured any more`);
    }
  }

  async function open(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Open the packets of which node?', ...validFor.any };
    const { name } = await targetNode(connection.model, args, question);
    const { network, boot } = await choose(name);
    const which = { node: name, network, ...(boot === null ? {} : { boot }) };
    const wireshark = wiresharkProgram();
    if (wireshark !== undefined) {
      const { path } = await connection.call('node.captureFile', which);
      await show(wireshark, path);
      return;
    }
    const title = boot === null ? `${name} packets` : `${name} packets of boot ${boot}`;
    await documents.show(`${title}, ${network}`, await packetList(parts, which));
  }

  async function choose(node: string): Promise<CaptureInfo> {
    const captures = await connection.call('node.captures', { node });
    const [only, ...others] = captures;
    if (!only)
      throw new BootyardError('capture.none', `The packets of ${node} were not captured: start that first.`);
    if (others.length === 0) return only;
    const items = captures.map((capture) => captureItem(capture));
    const chosen = await vscode.window.showQuickPick<CaptureItem>(items, { title: `Packets of ${node}` });
    if (!chosen) throw new vscode.CancellationError();
    return chosen.capture;
  }

  return registerCommands(errors, {
    'bootyard.node.captureStart': (...args) => start(args),
    'bootyard.node.captureStop': (...args) => stop(args),
    'bootyard.node.captureOpen': (...args) => open(args),
  });
}

function captureItem(capture: CaptureInfo): CaptureItem {
  const { boot, network, startedAt, state, bytes } = capture;
  return {
    label: `${boot === null ? 'An older boot' : `Boot ${boot}`}, ${network}`,
    description: `${new Date(startedAt).toLocaleString('sv')}, ${formatSize(bytes)}, ${state}`,
    capture,
  };
}

/** Undefined where it could show no window: a remote machine has none. */
function wiresharkProgram(): string | undefined {
  if (!process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return undefined;
  const files = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'wireshark'));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function show(program: string, file: string): Promise<void> {
  const child = spawn(program, ['-r', file], { detached: true, stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new BootyardError('capture.wireshark', `Wireshark does not start: ${error.message}.`)),
    );
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
  });
}
