import { BootyardError } from '../../errors.ts';

/** An image of an engine: `docker:<name>[:<tag>]`, `podman:…`, and of a second engine of that kind `docker-2:…`. */
export interface EngineLink {
  engine: string;
  /** as the engine calls it: a name with a tag or without, or an id */
  reference: string;
}

const LINK = /^((?:docker|podman)(?:-\d{1,2})?):(.*)$/s;
/** Docker's references (distribution/reference, "grammar"), and ids. */
const REFERENCE = /^[a-zA-Z0-9][\w.:/@-]{0,511}$/;

/** Undefined for what is no link to an engine. Throws `image.badLink`. */
export function parseEngineLink(text: string): EngineLink | undefined {
  const [, engine, reference = ''] = LINK.exec(text) ?? [];
  if (engine === undefined) return undefined;
  if (REFERENCE.test(reference)) return { engine, reference };
  throw new BootyardError(
    'image.badLink',
    `'${text}' names no image of an engine: expected is ${engine}:<name>[:<tag>], as \`bootyard image show\` lists it.`,
    { link: text },
  );
}

/** What a clone of it is called here, as with registries: the last part of its name, and the tag. */
export function cloneName({ reference }: EngineLink): string {
  const { path, tag } = partsOf(reference);
  return plain(path.at(-1) ?? '') + tagOf(tag);
}

/** What the store calls an image that was booted straight from an engine: names of other images cannot clash with it. */
export function bootName({ engine, reference }: EngineLink): string {
  const { path, tag } = partsOf(reference);
  return `${engine}/${plain(path.join('-'))}${tagOf(tag)}`;
}

function partsOf(reference: string): { path: string[]; tag: string } {
  const [, path = '', tag = 'latest'] = /^([^@]*?)(?::([^/:@]*))?(?:@.*)?$/.exec(reference) ?? [];
  return { path: path.split('/'), tag };
}
function tagOf(tag: string): string {
  return tag === 'latest' ? '' : `:${plain(tag)}`;
}
/** WalT's names have only these. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}
