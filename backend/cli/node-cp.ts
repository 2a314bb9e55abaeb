import { posix } from 'node:path';
import { copyFiles } from '../api/copy/copy.ts';
import { BOOTED_IMAGE, locationOf, type Location } from '../api/copy/paths.ts';
import { waitOrProceed } from './node-power.ts';
import { pushToImage } from './node-save.ts';
import type { LabSession } from './session.ts';
import { formatSize } from './table.ts';
import { UsageError } from './usage.ts';

/** `node cp`: one of the two words names a path in a node. */
export async function copy(lab: LabSession, fromWord: string, toWord: string, force: boolean): Promise<void> {
  if (fromWord === '' || toWord === '') throw new UsageError('A path of `node cp` is empty.');
  const from = locationOf(fromWord, process.cwd());
  if (toWord === BOOTED_IMAGE && from.node !== undefined) {
    if (from.name === undefined) throw new UsageError(`${from.text} names no file or folder.`);
    await waitOrProceed(lab, [from.node]);
    return await pushToImage(lab, from.node, posix.normalize(from.path), force);
  }
  const to = locationOf(toWord, process.cwd());
  const node = checkForm(from, to);
  const [, ...others] = await lab.call('node.list', { nodes: [node] });
  if (others.length > 0) throw new UsageError('`node cp` copies from or to one node.');
  await waitOrProceed(lab, [node]);
  // A plain kill and a terminal that goes away tidy up as ctrl-C does.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.once(signal, () => process.kill(process.pid, 'SIGINT'));
  const { client, session, signal } = lab;
  const onBytes = (bytes: number, rate: number): void =>
    session.progress.show({ message: `Copying: ${formatSize(bytes)}, ${formatSize(rate)}/s` });
  try {
    await copyFiles(from, to, { client, signal, onBytes, warn: (sentence) => session.say(sentence) });
  } finally {
    session.progress.clear();
  }
}

/** Exactly one of the two is in a node. */
function checkForm(from: Location, to: Location): string {
  const node = from.node ?? to.node;
  if (node !== undefined && (from.node === undefined || to.node === undefined)) return node;
  throw new UsageError('One path of `node cp` is in a node, <node>:<path>, and the other one on this host.');
}
