import { readFileSync } from 'node:fs';

/** Bytes that came in by an interface and went out by it, since it is there. */
export interface Traffic {
  received: number;
  sent: number;
}

/** The interfaces of this process's network namespace, by name. One small file, so it can be asked for often. */
export function interfaceTraffic(): Map<string, Traffic> {
  return parseTraffic(readFileSync('/proc/self/net/dev', 'utf8'));
}

/** Lines of `/proc/net/dev`, proc(5): a name, 8 counters of what was received and 8 of what was sent, bytes first. */
export function parseTraffic(text: string): Map<string, Traffic> {
  return new Map(
    [...text.matchAll(/^ *([^\s:]+): *(\d+)(?: +\d+){7} +(\d+) /gm)].map(
      ([, name = '', received, sent]) => [name, { received: Number(received), sent: Number(sent) }] as const,
    ),
  );
}
