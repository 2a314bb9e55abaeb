/** A line's time (us since the epoch) as this machine's clock shows it: 01-31 23:59:58.123. */
export function shortTime(time: number): string {
  const date = new Date(time / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** What a choice of time means now, in ms since the epoch; `checkpoints` by their names. */
export function rangeOf(
  { range, from, to }: { range: string; from: string; to: string },
  checkpoints: readonly { name: string; time: number }[],
  now = Date.now(),
): { from?: number; to?: number } {
  if (range === 'between') return { ...bound('from', from), ...bound('to', to) };
  if (range === 'all') return {};
  const checkpoint = checkpoints.find(({ name }) => range === `checkpoint ${name}`);
  if (checkpoint) return { from: checkpoint.time };
  const seconds = Number(range);
  return Number.isFinite(seconds) ? { from: now - seconds * 1000 } : {};
}

/** A time as a `datetime-local` has it; one that is not whole yet bounds nothing. */
function bound(name: 'from' | 'to', text: string): { from?: number; to?: number } {
  const time = new Date(text).getTime();
  return Number.isNaN(time) ? {} : { [name]: time };
}
