import * as vscode from 'vscode';
import type { BootStep, Timeline } from '../../backend/api/boots.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import { packetList } from '../captures/packet-list.ts';
import type { Parts } from '../features.ts';
import { fileUri, IMAGE_SCHEME } from '../files/uris.ts';
import { textOf } from '../nodes/stream-text.ts';
import { consoleLine, packetLine } from './step-line.ts';
import { imagePath, leadsTo } from './timeline-view.ts';

/** Shows what a step of a boot is about: the file in the image, the line of the console, or the packet. */
export async function openStep(
  parts: Parts,
  timeline: Timeline,
  node: NodeInfo,
  step: BootStep,
): Promise<void> {
  switch (leadsTo(step)) {
    case 'file':
      return await openFile(timeline, node, step);
    case 'console':
      return await openConsole(parts, timeline, step);
    case 'packet':
      return await openPacket(parts, timeline, step);
    case undefined:
  }
}

async function openFile({ image }: Timeline, node: NodeInfo, step: BootStep): Promise<void> {
  const path = imagePath(node.model, step.path);
  if (path === undefined) return;
  const uri = fileUri(IMAGE_SCHEME, image, path);
  try {
    await vscode.workspace.fs.stat(uri);
  } catch (error) {
    if (!(error instanceof vscode.FileSystemError && error.code === 'FileNotFound')) throw error;
    throw new BootyardError(
      'timeline.noFile',
      `Image ${image} has no file ${path} now: the lab made it for the boot.`,
    );
  }
  await vscode.commands.executeCommand('vscode.open', uri);
}

async function openConsole(
  { documents, requireLab }: Parts,
  timeline: Timeline,
  step: BootStep,
): Promise<void> {
  const { node, number } = timeline;
  const client = await requireLab();
  const { stream } = await client.call('node.consoleText', { node, history: true, timestamps: true });
  const text = await textOf(client.stream(stream));
  const line = consoleLine(text.split('\n'), step, timeline);
  if (line === undefined)
    throw new BootyardError(
      'timeline.noLine',
      `The console of ${node} is not kept from its boot ${number} any more.`,
    );
  await documents.show(`${node} console with times`, text, { line });
}

async function openPacket(parts: Parts, { node, number }: Timeline, step: BootStep): Promise<void> {
  const captures = await parts.connection.call('node.captures', { node });
  const capture = captures.find(({ boot }) => boot === number);
  if (!capture) {
    const sentence = `No packets of boot ${number} of ${node} were captured: run 'Start Capturing Packets' on it, and reboot it.`;
    throw new BootyardError('timeline.noCapture', sentence);
  }
  const { network } = capture;
  const text = await packetList(parts, { node, network, boot: number });
  const line = packetLine(text.split('\n'), step);
  await parts.documents.show(`${node} packets of boot ${number}, ${network}`, text, { line });
}
