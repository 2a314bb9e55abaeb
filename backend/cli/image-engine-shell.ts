import { EngineShell } from '../api/engine-shell.ts';
import { connectToLab } from '../api/lab-control.ts';
import { withConsent } from './consent.ts';
import { isToBeSaved, REBOOT, saySaved, type ShellOptions, task, underName } from './image-shell-save.ts';
import type { LabSession } from './session.ts';

/** `image shell --engine`: in a container of Docker or Podman. */
export async function engineShell(
  lab: LabSession,
  image: string,
  command: string,
  options: ShellOptions & { engine?: string },
): Promise<void> {
  const { session } = lab;
  const { engine = '', force = false } = options;
  const shell = await EngineShell.open(() => connectToLab({ start: false }), image, engine, task(lab));
  try {
    session.progress.clear();
    if (shell.hasSystem) session.say('Note: the OS was started in a virtual environment.');
    const isTyped = command === '' && session.interactive;
    const { stdin: input, stdout: output, stderr: errors } = process;
    const terminal = { input, output, errors, isTerminal: isTyped };
    const code = isTyped
      ? await session.leavingInterrupts(() => shell.run(undefined, terminal))
      : await shell.run(command || undefined, terminal, lab.signal);
    if (!isToBeSaved(session, code, isTyped)) return;
    const changes = await shell.changes();
    if (changes.length === 0) return session.print(`Nothing was changed: image ${image} stays as it is.`);
    session.print(changes.map(({ kind, path }) => `${kind}  ${path}`).join('\n'));
    await underName(session, image, options, (name) =>
      withConsent(lab, force, REBOOT, async (consent) => {
        const saved = await shell.save(name, consent, task(lab));
        session.progress.clear();
        saySaved(session, name !== image && !force, saved);
      }),
    );
  } finally {
    await shell.remove();
  }
}
