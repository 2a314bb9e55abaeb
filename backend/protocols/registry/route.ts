import { RegistryError } from './errors.ts';

/** What a request is about (OCI distribution-spec 1.1, "Endpoints"); digests as 64 hex digits. */
export type Route =
  | { kind: 'base' }
  | { kind: 'catalog'; query: URLSearchParams }
  | { kind: 'tags'; repository: string; query: URLSearchParams }
  | { kind: 'manifest'; repository: string; reference: string }
  | { kind: 'blob'; repository: string; hex: string }
  | { kind: 'uploads'; repository: string; query: URLSearchParams }
  | { kind: 'upload'; repository: string; id: string; query: URLSearchParams };

const MAX_TARGET = 4096;
const MAX_NAME = 255;
/** Grammars of the distribution-spec ("Pulling manifests"). */
const PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const UPLOAD = /^[0-9a-f]{32}$/;

/** Throws `RegistryError` for what is nowhere in the specification. */
export function parseRoute(target: string): Route {
  if (target.length > MAX_TARGET)
    throw new RegistryError('NAME_INVALID', 'The address is too long.', { status: 414 });
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog', query };
  const [, name = '', rest = ''] =
    /^\/v2\/(.+)\/(tags\/list|manifests\/[^/]+|blobs\/uploads\/?[^/]*|blobs\/[^/]+)$/.exec(path) ?? [];
  if (rest === '')
    throw new RegistryError('NAME_UNKNOWN', 'There is nothing at this address: expected is /v2/….');
  const repository = repositoryName(name);
  const [noun, verb = '', id = ''] = rest.split('/');
  if (noun === 'tags') return { kind: 'tags', repository, query };
  if (noun === 'manifests') return { kind: 'manifest', repository, reference: referenceOf(verb) };
  if (verb !== 'uploads') return { kind: 'blob', repository, hex: digestHex(verb) };
  if (id === '') return { kind: 'uploads', repository, query };
  if (UPLOAD.test(id)) return { kind: 'upload', repository, id, query };
  throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'There is no such upload.');
}

function repositoryName(name: string): string {
  if (name.length <= MAX_NAME && name.split('/').every((part) => PART.test(part))) return name;
  throw new RegistryError('NAME_INVALID', 'This is not the name of a repository.');
}

function referenceOf(encoded: string): string {
  const text = encoded.replace(/%3a/gi, ':');
  if (TAG.test(text)) return text;
  return `sha256:${digestHex(text)}`;
}

/** Throws for what is no SHA-256 digest. */
export function digestHex(encoded: string): string {
  const hex = /^sha256(?::|%3a)([0-9a-f]{64})$/i.exec(encoded)?.[1];
  if (hex !== undefined && hex === hex.toLowerCase()) return hex;
  throw new RegistryError('DIGEST_INVALID', 'This is not a digest: expected is sha256: and 64 hex digits.');
}
