import { tryTool } from './tool.ts';

/** Whether software emulation has a thread for all processors of a node, or one for each. */
export type EmulationThreads = 'single' | 'multi';

const asked = new Map<string, Promise<EmulationThreads>>();

/** For a QEMU program, which is asked for its version once; `single` when it does not tell. Never rejects. */
export function emulationThreads(program: string): Promise<EmulationThreads> {
  let answer = asked.get(program);
  if (!answer) {
    answer = tryTool([program, '--version']).then(({ stdout }) => threadsOf(stdout));
    asked.set(program, answer);
  }
  return answer;
}

/**
 * With a thread for each processor, QEMU 7.2 may run code that another processor has patched as it was before. Kernels were
 * seen to stand still at such places. From 8.1 on QEMU's own choice is trusted. `printed`: what `--version` says
 */
export function threadsOf(printed: string): EmulationThreads {
  const { major, minor } = qemuVersion(printed) ?? { major: 0, minor: 0 };
  return major > 8 || (major === 8 && minor >= 1) ? 'multi' : 'single';
}

/** Of what `--version` prints; undefined when that is not known. */
export function qemuVersion(printed: string): { major: number; minor: number; text: string } | undefined {
  const [text, major, minor] = /version (\d+)\.(\d+)\S*/.exec(printed) ?? [];
  return text === undefined ? undefined : { major: Number(major), minor: Number(minor), text };
}
