import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { eachRecord } from '../../backend/api/log-lines.ts';
import type { Params } from '../../backend/api/contract.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import type { Task } from '../ui/progress.ts';
import { exportedLine } from './log-text.ts';

const SAID_EVERY = 10_000;

/** Writes the lines of a query to a file, which is there when it is whole; answers how many they are. */
export async function exportLog(
  client: LabClient,
  query: Params<'log.read'>,
  file: string,
  { signal, onProgress }: Task,
): Promise<number> {
  const part = `${file}.part`;
  const output = createWriteStream(part);
  const written = finished(output);
  written.catch(() => undefined);
  let lines = 0;
  try {
    const stream = await client.readLogs(query, { signal });
    const ending = await eachRecord(stream, signal, async (record) => {
      if (++lines % SAID_EVERY === 0) onProgress({ message: `${lines} lines` });
      if (!output.write(exportedLine(record))) await Promise.race([once(output, 'drain'), written]);
    });
    signal.throwIfAborted();
    if (ending !== undefined) throw new BootyardError('log.read', ending);
    output.end();
    await written;
    await rename(part, file);
    return lines;
  } catch (error) {
    output.destroy();
    await rm(part, { force: true });
    if (error instanceof BootyardError || signal.aborted) throw error;
    throw new BootyardError('log.export', `The log cannot be written to ${file}: ${messageOf(error)}.`);
  }
}
