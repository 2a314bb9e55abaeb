import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { formatSize } from './table.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

export interface ConsoleTextOptions {
  replay?: string | true;
  speed?: string;
  history?: boolean;
  timestamps?: boolean;
  search?: string;
  follow?: boolean;
  save?: string;
  force?: boolean;
}

/** Whether what was printed is asked for, instead of the line itself. */
export function wantsText({ history, timestamps, search, follow, save, force }: ConsoleTextOptions): boolean {
  return [history, timestamps, search, follow, save, force].some((option) => option !== undefined);
}

/** What a console has printed, on standard output or in a file. A search that finds nothing is a failure, as for grep. */
export async function showConsoleText(
  session: Session,
  node: string,
  options: ConsoleTextOptions,
): Promise<void> {
  checkOptions(options);
  await session.withLab(async (lab) => {
    const { save, search, force = false } = options;
    const sink = save === undefined ? undefined : await openFile(save, force);
    const bytes = await copyText(lab, node, options, sink ?? process.stdout);
    if (sink) {
      sink.end();
      await once(sink, 'close');
      session.print(`What the console of ${node} has printed is in ${save} (${formatSize(bytes)}).`);
    }
    if (search === undefined || bytes > 0 || lab.signal.aborted) return;
    session.say(`No line of the console of ${node} matches '${search}'.`);
    session.exitCode = 1;
  });
}

function checkOptions({
  replay,
  speed,
  follow,
  save,
  force,
  history,
  timestamps,
  search,
}: ConsoleTextOptions): void {
  if (replay !== undefined || speed !== undefined) {
    throw new UsageError('--replay and --speed go with no other option of a console.');
  }
  if (force && save === undefined) throw new UsageError('--force is for --save.');
  const isChosen = history || timestamps || search !== undefined;
  if (follow && !isChosen) throw new UsageError('--follow is for --history, --timestamps and --search.');
}

/** Answers how many bytes there were. */
async function copyText(
  lab: LabSession,
  node: string,
  { history, timestamps, search, follow }: ConsoleTextOptions,
  sink: NodeJS.WritableStream,
): Promise<number> {
  const { client, signal, session } = lab;
  // Who looks for something wants to know of every time that it was there.
  const what = { node, history: history ?? search !== undefined, timestamps, search, follow };
  const stream = await client.consoleText(what, { signal });
  let bytes = 0;
  const ended = new Promise<string | undefined>((resolve) => stream.onEnd(resolve));
  stream.onData(async (data) => {
    bytes += data.length;
    if (!sink.write(data)) await once(sink, 'drain');
  });
  const message = await Promise.race([ended, once(signal, 'abort')]);
  stream.close();
  if (signal.aborted) session.exitCode = 130;
  else if (typeof message === 'string') throw new BootyardError('console.text', message);
  return bytes;
}

async function openFile(path: string, force: boolean) {
  const file = createWriteStream(path, { flags: force ? 'w' : 'wx' });
  try {
    await once(file, 'open');
    return file;
  } catch (error) {
    const sentence =
      systemCode(error) === 'EEXIST'
        ? `${path} is there already: --force overwrites it.`
        : `${path} cannot be written: ${messageOf(error)}.`;
    throw new BootyardError('console.save', sentence);
  }
}
