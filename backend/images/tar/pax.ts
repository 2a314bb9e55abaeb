import { badTar } from './tar-header.ts';

/** Keyword → value of one extended header; both are bytes as latin1 text. */
export type PaxRecords = Map<string, string>;

/**
 * Parses `"%d %s=%s\n"` records (POSIX.1-2017 pax, "pax Extended Header"). `into` gets the records added; the records of
 * GNU.sparse.offset and .numbytes, which come in turns, are joined in order under `GNU.sparse.map`.
 */
export function parsePax(data: Buffer, position: number, into: PaxRecords): void {
  const map: string[] = [];
  let at = 0;
  while (at < data.length && data[at] !== 0) {
    const space = data.indexOf(32, at);
    const length = space === -1 ? NaN : Number(data.toString('latin1', at, space));
    const end = at + length;
    const equals = data.indexOf(61, space);
    const sound =
      Number.isInteger(length) &&
      end <= data.length &&
      data[end - 1] === 10 &&
      equals > space &&
      equals < end;
    if (!sound) throw badTar('an extended header is malformed', position + at);
    const key = data.toString('latin1', space + 1, equals);
    const value = data.toString('latin1', equals + 1, end - 1);
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') map.push(value);
    else into.set(key, value);
    at = end;
  }
  if (map.length > 0) into.set('GNU.sparse.map', map.join(','));
}

/** A whole number of a record, if the record is there. */
export function paxInteger(records: PaxRecords, key: string, position: number): number | undefined {
  const text = records.get(key);
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw badTar(`an extended header has no readable ${key}`, position);
  }
  return value;
}

/** Seconds and nanoseconds of a decimal time such as `1700000000.25` or `-1.5`. */
export function paxTime(text: string, position: number): { seconds: number; nanoseconds: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (!match) throw badTar('an extended header has no readable time', position);
  const whole = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  if (match[1] !== '-') return { seconds: whole, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1e9 - nanoseconds };
}
