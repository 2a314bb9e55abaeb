/** as a shell tells that ctrl-C ended a command */
export const INTERRUPTED = 130;
export type ExitCodes = readonly (readonly [name: string, code: number])[];

/** `vnode1: exit code 0`, `3 nodes: exit code 0`, or the nodes that failed. */
export function summary(codes: ExitCodes): string {
  const failed = codes.filter(([, code]) => code !== 0);
  const [only, ...others] = codes;
  if (only && others.length === 0) return `${only[0]}: exit code ${only[1]}`;
  if (failed.length === 0) return `${codes.length} nodes: exit code 0`;
  const each = failed.map(([name, code]) => `${name}: exit code ${code}`).join(', ');
  return `${codes.length - failed.length} of ${codes.length} nodes: exit code 0; ${each}`;
}

/** `vnode1 answers`, `2 of 3 nodes answer; vnode2 does not`, or `stopped`. */
export function pingSummary(codes: ExitCodes): string {
  if (codes.some(([, code]) => code === INTERRUPTED)) return 'stopped';
  const silent = codes.filter(([, code]) => code !== 0).map(([name]) => name);
  const [only, ...others] = codes;
  if (only && others.length === 0) return `${only[0]} ${silent.length === 0 ? 'answers' : 'does not answer'}`;
  if (silent.length === 0) return `${codes.length} nodes answer`;
  const each = `${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not`;
  return `${codes.length - silent.length} of ${codes.length} nodes answer; ${each}`;
}
