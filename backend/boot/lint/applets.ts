/** Length of the longest name of an applet that is taken for one. */
const LONGEST = 24;
/** Fewer words in a row are something else. */
const FEWEST = 16;

/**
 * The applets of a busybox, from the table of their names in its file: words that end with NULs, sorted by their bytes, so
 * that busybox can search them (its include/applet_tables.h). Undefined when there is no such table. Linear in the file.
 */
export function appletsOf(busybox: Buffer): ReadonlySet<string> | undefined {
  let best: string[] | undefined;
  let run: string[] = [];
  let start = 0;
  const end = (): void => {
    if (run.length >= FEWEST && run.includes('sh') && run.length > (best?.length ?? 0)) best = run;
    run = [];
  };
  for (let at = 0; at < busybox.length; at++) {
    const byte = busybox[at] ?? 0;
    if (byte !== 0) {
      if (isWordByte(byte) && at - start < LONGEST) continue;
      end();
      // The rest of this text belongs to no table either.
      while (at < busybox.length && busybox[at] !== 0) at++;
      start = at + 1;
      continue;
    }
    const word = busybox.toString('latin1', start, at);
    start = at + 1;
    if (word === '') end();
    else {
      const last = run.at(-1);
      if (last !== undefined && last >= word) end();
      run.push(word);
    }
  }
  end();
  return best && new Set(best);
}

/** a-z 0-9 _ [ - + . */
function isWordByte(byte: number): boolean {
  return (
    (byte >= 97 && byte <= 122) ||
    (byte >= 48 && byte <= 57) ||
    byte === 95 ||
    byte === 91 ||
    byte === 45 ||
    byte === 43 ||
    byte === 46
  );
}
