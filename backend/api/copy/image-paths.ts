import { BootyardError } from '../../errors.ts';
import { BOOTED_IMAGE, located, type Location } from './paths.ts';

/** One end of `image cp`: on this host, or in an image. */
export interface ImageLocation extends Location {
  image: string | undefined;
}

/** A name as `imageName` has it, where a tag must be followed by the colon that ends the name. */
const IN_IMAGE = /^((?:[a-z0-9-]+\/)?[a-z0-9-]+(?::[a-z0-9-]+(?=:))?):(.*)$/s;

/**
 * `IMAGE:PATH` or a path on this host. A relative path is below `folder`, or the root of the image, as container engines
 * have it. Exactly one of the two is in an image.
 */
export function imageCopyOf(
  words: { from: string; to: string },
  folder: string,
): { image: string; from: ImageLocation; to: ImageLocation } {
  const [from, to] = [locationIn(words.from, folder), locationIn(words.to, folder)];
  const image = from.image ?? to.image;
  if (image !== undefined && (from.image === undefined || to.image === undefined)) return { image, from, to };
  const sentence = 'One path of `image cp` is in an image, <image>:<path>, and the other one on this host.';
  throw new BootyardError('image.cp', sentence);
}

function locationIn(word: string, folder: string): ImageLocation {
  if (word === '') throw new BootyardError('image.cp', 'A path of `image cp` is empty.');
  const [, image, typed = ''] = IN_IMAGE.exec(word) ?? [];
  if (word === BOOTED_IMAGE || image === BOOTED_IMAGE) {
    throw new BootyardError(
      'image.cp',
      `Keyword '${BOOTED_IMAGE}' is only available with command 'bootyard node cp'.`,
    );
  }
  if (image === undefined) return { ...located({ typed: word, folder, word }), image };
  return { ...located({ typed, folder: '', word }), image };
}
