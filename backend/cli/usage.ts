/** The command line is not what the command takes: exit code 2. */
export class UsageError extends Error {}

/** For `Option.argParser`: an option that may be given several times. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/**
 * `name=value` words, as WalT takes settings. A later one wins. Throws with WalT's sentence when a word is not of that
 * form, or with `sentence` if given.
 */
export function nameValuePairs(
  words: readonly string[],
  sentence = 'Please provide settings as `<setting name>=<setting value>` arguments.',
): Record<string, string> {
  const pairs = words.map((word): [string, string] => {
    const equals = word.indexOf('=');
    if (equals < 1) throw new UsageError(sentence);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
  return Object.fromEntries(pairs);
}

/** A number of seconds; -1, as WalT has it, means for ever. */
export function timeoutSeconds(text: string | undefined): number | undefined {
  if (text === undefined || text === '-1') return undefined;
  if (!/^\d{1,9}(\.\d{1,3})?$/.test(text)) {
    throw new UsageError(`--timeout takes a number of seconds, or -1 to wait for ever, not '${text}'.`);
  }
  return Number(text);
}

/** A TCP port; 0, where it is allowed, means a free one. */
export function portNumber(text: string, least: 0 | 1): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= least && port < 65_536) return port;
  throw new UsageError(`'${text}' is no TCP port: expected is a number from ${least} to 65535.`);
}
