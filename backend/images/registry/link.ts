import { BootyardError } from '../../errors.ts';

/** Where an image is: `[walt|hub|docker|<label>]:<user>/<name>[:<tag>]` (WalT's clonable image link). */
export interface ClonableLink {
  location: string;
  /** `<user>/<name>` */
  repository: string;
  tag: string;
}

/** Names of repositories and tags as the OCI distribution-spec 1.1 has them ("Pulling manifests"). */
const PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const MAX_REPOSITORY = 255;

/** Throws `image.badLink` with WalT's sentence, which names the places that there are. */
export function parseLink(text: string, labels: readonly string[]): ClonableLink {
  const [, location = '', user = '', name = '', tag = 'latest'] =
    /^([^:]*):([^/]*)\/([^/:]*)(?::([^/:]*))?$/.exec(text) ?? [];
  if (['walt', 'docker', ...labels].includes(location) && isRepository(`${user}/${name}`) && TAG.test(tag)) {
    return { location, repository: `${user}/${name}`, tag };
  }
  const places = ['walt', 'docker', ...labels].join('|');
  throw new BootyardError(
    'image.badLink',
    `Invalid clonable image link. Format must be:\n[${places}]:<user>/<image_name>[:<tag>]\n(tip: bootyard image search [<keyword>])`,
    { link: text },
  );
}

export function isRepository(name: string): boolean {
  return name.length <= MAX_REPOSITORY && name.split('/').every((part) => PART.test(part));
}

export function formatLink({ location, repository, tag }: ClonableLink): string {
  return `${location}:${repository}${tag === 'latest' ? '' : `:${tag}`}`;
}

/** What an image of that link is called here: its name and tag, with what WalT does not allow turned into dashes. */
export function localName({ repository, tag }: ClonableLink): { name: string; isChanged: boolean } {
  const original = `${repository.split('/')[1] ?? ''}${tag === 'latest' ? '' : `:${tag}`}`;
  const name = original.toLowerCase().replaceAll(/[^a-z0-9:-]+/g, '-');
  return { name, isChanged: name !== original };
}
