// The entry points of WalT's web API v1 (WalT 10, doc/md/web-api.md): same parameters, same fields.
import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import type { ApiClient } from '../client.ts';
import type { ImageInfo } from '../image.ts';
import { eachRecord, type LogRecord, textOf } from '../log-lines.ts';
import type { NodeInfo } from '../node.ts';
import { firstIssue } from '../rpc-error.ts';

/** What an entry point works with. */
export interface WebCall {
  client: ApiClient;
  /** the parameters of the query */
  query: Record<string, string>;
  signal: AbortSignal;
  /** takes the next part of the answer, at the reader's pace */
  write: (text: string) => Promise<void>;
}
type EntryPoint = (call: WebCall) => Promise<void>;

const text = z.string().optional();
const truth = z.enum(['true', 'false']).optional();

const NodeQuery = z.strictObject({
  name: text,
  model: text,
  virtual: truth,
  image: text,
  booted: truth,
  ip: text,
  mac: text,
});

const nodes: EntryPoint = async ({ client, query, signal, write }) => {
  const wanted = checked(NodeQuery, query);
  const all = await client.call('node.list', {}, { signal });
  const chosen = all.map(webNode).filter((node) => fits(node, wanted));
  await write(JSON.stringify({ num_nodes: chosen.length, nodes: chosen }));
};

function webNode({ name, model, image, state, ip, mac, settings }: NodeInfo) {
  // WalT's numbers of the setting.
  const config = { ...settings, netsetup: settings.netsetup === 'NAT' ? 1 : 0 };
  const booted = state === 'booted';
  return { name, model, virtual: true, image: fullName(image), booted, ip, mac, config };
}

const ImageQuery = z.strictObject({ fullname: text, user: text, id: text, in_use: truth });

const images: EntryPoint = async ({ client, query, signal, write }) => {
  const wanted = checked(ImageQuery, query);
  const all = await client.call('image.list', {}, { signal });
  const chosen = all.map(webImage).filter((image) => fits(image, wanted));
  await write(JSON.stringify({ num_images: chosen.length, images: chosen }));
};

function webImage({ name, id, inUse, created, models }: ImageInfo) {
  return {
    fullname: fullName(name),
    // An image of one's own has no user here.
    user: name.includes('/') ? name.slice(0, name.indexOf('/')) : '',
    id,
    in_use: inUse,
    created: new Date(created).toISOString().slice(0, 19).replace('T', ' '),
    compatibility: models,
  };
}

const fullName = (name: string): string => (name === '' || name.includes(':') ? name : `${name}:latest`);

const TIME = 'expected is a time since the Unix Epoch, such as 1727090181.5';
const time = z
  .string(TIME)
  .regex(/^\d{1,17}(\.\d{1,20})?$/, TIME)
  .transform(Number);
const LogQuery = z.strictObject({
  from: time,
  to: time,
  ts_unit: z.enum(['s', 'ms']).default('s'),
  issuer: text,
  stream: text,
});

const logs: EntryPoint = async ({ client, query, signal, write }) => {
  const { from, to, ts_unit: unit, issuer, stream } = checked(LogQuery, query);
  if (from > to) throw badQuery('to: it lies before from');
  const perUnit = unit === 's' ? 1_000_000 : 1_000;
  const [first, last] = [Math.round(from * perUnit), Math.round(to * perUnit)];
  const lines = await client.readLogs(
    {
      issuers: [issuer ?? 'all-nodes,server'],
      ...(stream === undefined ? {} : { streams: `^${stream.replace(/[.[\](){}*+?|^$\\]/g, '\\$&')}$` }),
      history: { from: Math.floor(first / 1000), to: Math.ceil(last / 1000) },
    },
    { signal },
  );
  let count = 0;
  const put = ({ time, issuer, stream, line }: LogRecord): Promise<void> | undefined => {
    if (time < first || time > last) return;
    const log = { timestamp: time / perUnit, line: textOf(line), issuer, stream };
    return write(`${count++ > 0 ? ',' : ''}${JSON.stringify(log)}`);
  };
  await write('{"logs":[');
  const trouble = await eachRecord(lines, signal, put);
  if (trouble !== undefined) throw new BootyardError('log.read', trouble);
  await write(`],"num_logs":${count}}`);
};

export const entryPoints: ReadonlyMap<string, EntryPoint> = new Map([
  ['/api/v1/nodes', nodes],
  ['/api/v1/images', images],
  ['/api/v1/logs', logs],
]);

function checked<S extends z.ZodType>(schema: S, query: Record<string, string>): z.output<S> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  throw badQuery(firstIssue(parsed.error));
}

function badQuery(what: string): BootyardError {
  return new BootyardError('web.query', `The query is not understood: ${what}.`);
}

/** Whether an item has all the values that a query names. */
function fits(item: Record<string, unknown>, wanted: Record<string, string | undefined>): boolean {
  return Object.entries(wanted).every(([name, value]) => value === undefined || String(item[name]) === value);
}
