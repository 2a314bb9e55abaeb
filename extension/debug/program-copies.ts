import { basename, posix } from 'node:path';
import type { z } from 'zod';
import { copyFiles } from '../../backend/api/copy/copy.ts';
import { located } from '../../backend/api/copy/paths.ts';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import type { NodeShells } from '../files/node-shell.ts';
import { withProgress } from '../ui/progress.ts';
import { pathInNode, type ProgramConfiguration } from './configurations.ts';

const MAX_OUTPUT = 4_096;

/** Copies what a launch configuration says into its node, over what is there. */
export async function copyPrograms(
  client: LabClient,
  shells: NodeShells,
  { node, copy, pathMappings }: z.infer<typeof ProgramConfiguration>,
): Promise<void> {
  const pairs = copy.map((from) => ({ from, folder: posix.dirname(pathInNode(pathMappings, from)) }));
  if (pairs.length === 0) return;
  const folders = pairs.map(({ folder }) => quoted(folder)).join(' ');
  const { code, stderr } = await shells.run(node, `mkdir -p ${folders}`, MAX_OUTPUT);
  if (code !== 0) throw new BootyardError('debug.copy', stderr.trim());
  await withProgress(`Copying ${copy.map((path) => basename(path)).join(', ')} to ${node}`, async (task) => {
    for (const { from, folder } of pairs) {
      await copyFiles(
        located({ typed: from, folder: '/', word: from }),
        located({ node, typed: `${folder}/`, folder: '/', word: `${node}:${folder}` }),
        { client, signal: task.signal, onBytes: () => undefined, warn: () => undefined },
      );
    }
  });
}
