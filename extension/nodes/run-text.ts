/** `vnode1: exit code 0`, `3 nodes: exit code 0`, or the nodes that failed. */
export function summary(codes: readonly (readonly [name: string, code: number])[]): string {
  const failed = codes.filter(([, code]) => code !== 0);
  const [only, ...others] = codes;
  if (only && others.length === 0) return `${only[0]}: exit code ${only[1]}`;
  if (failed.length === 0) return `${codes.length} nodes: exit code 0`;
  const each = failed.map(([name, code]) => `${name}: exit code ${code}`).join(', ');
  return `${codes.length - failed.length} of ${codes.length} nodes: exit code 0; ${each}`;
}
