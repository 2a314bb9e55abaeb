/** A RUN line with paths (latin1 text) as its last words; undefined for names that no line of text can hold safely. */
export function runLine(command: string, ...paths: string[]): string | undefined {
  if (!paths.every((path) => /^[ -~]*$/.test(path))) return undefined;
  const words = paths.map((path) =>
    /^[\w./+@-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`,
  );
  return `RUN ${[command, ...words].join(' ')}`;
}
