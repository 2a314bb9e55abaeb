import type { LintImage } from './image.ts';

/** A RUN line with paths (latin1 text) as its last words; undefined for names that no line of text can hold safely. */
export function runLine(command: string, ...paths: string[]): string | undefined {
  if (!paths.every((path) => /^[ -~]*$/.test(path))) return undefined;
  const words = paths.map((path) =>
    /^[\w./+@-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`,
  );
  return `RUN ${[command, ...words].join(' ')}`;
}

/** A line that installs a package, for an image that is a Debian or one of its kin, or an Alpine with `alpine`. */
export function installLine(image: LintImage, debian: string, alpine?: string): string | undefined {
  if (image.isFile('/usr/bin/apt-get')) return `RUN apt-get update && apt-get install -y ${debian}`;
  return alpine !== undefined && image.isFile('/sbin/apk') ? `RUN apk add ${alpine}` : undefined;
}

/** A line that changes initrds as initramfs-tools makes them, for an image that has it. */
export function initrdLine(image: LintImage, command: string): string | undefined {
  const isThere = image.isFile('/usr/sbin/update-initramfs');
  return isThere ? `RUN ${command} && update-initramfs -u -k all` : undefined;
}
