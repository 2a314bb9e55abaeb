import { formatSize, formatTable } from './table.ts';
import type { Session } from './session.ts';
import { UsageError } from './usage.ts';

/** Checkpoints, and how long lines are kept. */
export async function addCheckpoint(session: Session, name: string, date: string | undefined): Promise<void> {
  const at = date === undefined || date.startsWith('-') ? date : localTime(date);
  await session.withLab(async (lab) => {
    const { time } = await lab.call('log.addCheckpoint', { name, ...(at === undefined ? {} : { date: at }) });
    session.print(`New checkpoint ${name} recorded at server time: ${formatTime(time)}.`);
  });
}

export async function removeCheckpoint(session: Session, name: string): Promise<void> {
  await session.withLab((lab) => lab.call('log.removeCheckpoint', { name }));
  session.print('Done.');
}

export async function listCheckpoints(session: Session, json: boolean): Promise<void> {
  const checkpoints = await session.withLab((lab) => lab.call('log.checkpoints', {}));
  const shown = checkpoints.map(({ name, time }) => ({ name, timestamp: new Date(time).toISOString() }));
  if (json) return session.printJson(shown);
  if (checkpoints.length === 0) return session.print('You own no checkpoints.');
  const rows = checkpoints.map(({ name, time }) => [formatTime(time), name]);
  session.print(formatTable(['timestamp', 'name'], rows));
}

export async function retention(
  session: Session,
  { json, ...limits }: { size?: string; age?: string; json?: boolean },
): Promise<void> {
  const kept = await session.withLab((lab) => lab.call('log.retention', limits));
  if (json) return session.printJson(kept);
  const { size, age, lines, bytes } = kept;
  const forAge = age === 'none' ? 'however old they are' : `for ${age}`;
  session.print(
    `Lines are kept ${forAge}, and ${size} of them at most: now ${lines} lines, ${formatSize(bytes)}.`,
  );
}

/** `2015-09-28 15:16:39`, of this machine's clock, in ms since the epoch. */
function localTime(text: string): number {
  const numbers = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/.exec(text)?.slice(1).map(Number);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = numbers ?? [];
  const date = new Date(year, month - 1, day, hour, minute, second);
  if (numbers && formatTime(date.getTime()) === text) return date.getTime();
  throw new UsageError(
    'Could not parse the date specified.\nExpected format is: <YYYY>-<MM>-<DD> <hh>:<mm>:<ss>\nExample: 2015-09-28 15:16:39',
  );
}

function formatTime(time: number): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
