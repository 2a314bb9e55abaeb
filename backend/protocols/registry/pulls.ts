import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { parseRange } from '../range.ts';
import type { RegistryContent, ServedManifest } from './content.ts';
import { RegistryError } from './errors.ts';

const PAGE = 100;
const MAX_PAGE = 1000;

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
}

/** Answers with JSON; `pages` are the names, of which a part is sent when there are many (distribution-spec, "Pagination"). */
export function sendNames(
  { request, response }: Call,
  names: readonly string[],
  query: URLSearchParams,
  make: (page: readonly string[]) => object,
): void {
  const asked = query.get('n');
  const count = asked === null ? PAGE : Number(asked);
  if (!Number.isInteger(count) || count < 0) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a number of names.');
  }
  const last = query.get('last');
  const rest = last === null ? names : names.filter((name) => name > last);
  const page = rest.slice(0, Math.min(count, MAX_PAGE));
  const end = page.at(-1);
  if (end !== undefined && page.length < rest.length) {
    const path = (request.url ?? '').split('?', 1)[0];
    const next = new URLSearchParams({ n: String(page.length), last: end }).toString();
    response.setHeader('Link', `<${path}?${next}>; rel="next"`);
  }
  sendJson({ request, response }, make(page));
}

export function sendJson({ request, response }: Call, value: object): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Sends the first form that the client takes. One that is asked for by digest is the only one. */
export function sendManifest(
  { request, response }: Call,
  forms: readonly ServedManifest[],
  reference: string,
): void {
  const isDigest = reference.startsWith('sha256:');
  const found = forms.find(({ mediaType }) => isDigest || accepts(request.headers.accept, mediaType));
  if (!found) {
    const kinds = forms.map(({ mediaType }) => mediaType).join(' or ');
    const why =
      kinds === '' ? 'There is no such image.' : `The image can be had as ${kinds}, which you do not accept.`;
    throw new RegistryError('MANIFEST_UNKNOWN', why);
  }
  response.writeHead(200, {
    'Content-Type': found.mediaType,
    'Content-Length': found.bytes.length,
    'Docker-Content-Digest': found.digest,
    ETag: `"${found.digest}"`,
  });
  response.end(request.method === 'HEAD' ? undefined : found.bytes);
}

/** RFC 9110 §12.5.1, without weights: no engine uses them here. */
function accepts(header: string | undefined, mediaType: string): boolean {
  const ranges = (header ?? '')
    .split(',')
    .map((range) => (range.split(';')[0] ?? '').trim().toLowerCase())
    .filter((range) => range !== '');
  return ranges.length === 0 || ranges.some((range) => [mediaType, 'application/*', '*/*'].includes(range));
}

/** Sends a blob or the part of it that is asked for (RFC 9110 §14). */
export async function sendBlob(
  { request, response }: Call,
  content: RegistryContent,
  hex: string,
): Promise<void> {
  const blob = content.blob(hex);
  const isHead = request.method === 'HEAD';
  if (!blob || (blob.file === undefined && !isHead))
    throw new RegistryError('BLOB_UNKNOWN', 'There is no such blob.');
  const { file, size } = blob;
  const common = { 'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': `sha256:${hex}` };
  if (file === undefined) return void response.writeHead(200, { ...common, 'Content-Length': size }).end();
  const range = parseRange(request.headers.range, size);
  if (range === 'unsatisfiable') {
    throw new RegistryError('SIZE_INVALID', `The blob has ${size} bytes.`, {
      status: 416,
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  const handle = await open(file, 'r');
  try {
    response.writeHead(range ? 206 : 200, {
      ...common,
      'Content-Length': last - first + 1,
      'Accept-Ranges': 'bytes',
      ...(range ? { 'Content-Range': `bytes ${first}-${last}/${size}` } : {}),
    });
    if (isHead || size === 0) return void response.end();
    const bytes = handle.createReadStream({
      start: first,
      end: last,
      highWaterMark: 1 << 18,
      autoClose: false,
    });
    await pipeline(bytes, response);
  } finally {
    await handle.close();
  }
}
