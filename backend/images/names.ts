import { BootyardError } from '../errors.ts';

const PART = /^[a-z0-9-]+$/;

/**
 * The one form of an image name: `[<user>/]<name>[:<tag>]`, with `:latest` left away, as WalT shows it.
 * Throws `image.badName` with WalT's sentences.
 */
export function imageName(text: string): string {
  const [name, tag, ...rest] = text.split(':');
  const [first, second, ...deeper] = (name ?? '').split('/');
  if (rest.length > 0 || deeper.length > 0 || !first) {
    throw badName(text, 'expected format is <name> or <name>:<tag>.');
  }
  const parts = [first, ...(second === undefined ? [] : [second]), ...(tag === undefined ? [] : [tag])];
  if (!parts.every((part) => PART.test(part))) {
    throw badName(
      text,
      'Only lowercase letters, digits and dash(-) characters are allowed in <name> and <tag>.',
    );
  }
  if ((second ?? first) === 'default') {
    throw new BootyardError('image.badName', "Sorry 'default' is a reserved keyword.", { name: text });
  }
  return tag === 'latest' ? (name ?? '') : text;
}

function badName(text: string, why: string): BootyardError {
  return new BootyardError('image.badName', `Bad name: ${why}`, { name: text });
}

/** Node models of an image's label `walt.node.models`, which is a list with commas. */
export function imageModels(labels: Record<string, string>): string[] {
  return (labels['walt.node.models'] ?? '')
    .split(',')
    .map((model) => model.trim())
    .filter((model) => model !== '');
}
