import { lastStage } from '../../backend/api/dockerfile.ts';
import type { ImageInfo } from '../../backend/api/image.ts';

/** Where in a Dockerfile a finding of an image belongs. Lines count from 0; the texts may be of any kind. */

/** The Dockerfile that an image was built of, as the build says; without that, one that builds it by its name. */
export function dockerfileOf<T extends { readonly path: string; readonly text: string }>(
  { name, builtFrom }: Pick<ImageInfo, 'name' | 'builtFrom'>,
  files: readonly T[],
): T | undefined {
  return files.find(({ path, text }) =>
    builtFrom ? path === builtFrom.dockerfile : buildsImage(name, path, text),
  );
}

/** Whether a Dockerfile builds an image: by its label walt.image.preferred-name, its folder or its own name. */
export function buildsImage(image: string, path: string, text: string): boolean {
  const named = /^\s*LABEL\s.*\bwalt\.image\.preferred-name\s*=\s*["']?([^"'\s]+)/im.exec(text)?.[1];
  if (named !== undefined) return named === image;
  const [file = '', folder = ''] = path.split('/').reverse();
  const [, before, after] = /^(?:(.+)\.)?(?:Dockerfile|Containerfile)(?:\.(.+))?$/i.exec(file) ?? [];
  return (before ?? after ?? folder).toLowerCase() === image;
}

/**
 * The line that names what was found (a label, a path and the folders above it), the last one in the image's own stage;
 * otherwise the line with which that stage begins.
 */
export function lineOf(text: string, path: string): number {
  const lines = text.split(/\r?\n/);
  const { from } = lastStage(text);
  for (let word = path; word.length > 1; word = word.slice(0, Math.max(0, word.lastIndexOf('/')))) {
    const escaped = word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    const pattern = new RegExp(String.raw`(^|[\s"'=,])${escaped}/?($|[\s"'=,;&\\])`);
    const line = lines.findLastIndex((candidate, at) => at > from && pattern.test(candidate));
    if (line >= 0) return line;
    // A label has no folders above it, and what stands in /etc is in every Dockerfile.
    if (!path.startsWith('/') || word.split('/').length <= 3) break;
  }
  return from;
}

/** Where a line that mends an image is put: before what the image runs when it starts, else at the end. */
export function insertionLine(text: string): number {
  return lastStage(text).start ?? text.replace(/\s+$/, '').split(/\r?\n/).length;
}
