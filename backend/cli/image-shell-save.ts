import type { CallOptions } from '../api/client.ts';
import type { Result } from '../api/contract.ts';
import { BootyardError } from '../errors.ts';
import type { Consent } from './consent.ts';
import type { LabSession, Session } from './session.ts';

export interface ShellOptions {
  name?: string;
  force?: boolean;
  engine?: string;
}
export const REBOOT: Consent = {
  code: 'image.wouldReboot',
  question: 'Are you sure?',
  unchanged: 'Nothing was saved.',
};

/** Whether what a shell changed is to be saved: not what a script or command left that failed. */
export function isToBeSaved(session: Session, code: number, isTyped: boolean): boolean {
  if (isTyped || code === 0) return true;
  session.say(`The command ended with exit code ${code}: nothing was saved.`);
  session.exitCode = code;
  return false;
}

/** Saves under the name that was given or is asked for, and asks again for one that cannot be used. */
export async function underName(
  session: Session,
  image: string,
  { name: wanted, force = false }: ShellOptions,
  act: (name: string) => Promise<void>,
): Promise<void> {
  for (let given = wanted ?? (force ? image : undefined); ; given = undefined) {
    const name = given ?? (await askName(session, image));
    try {
      return await act(name);
    } catch (error) {
      if (!(error instanceof BootyardError && session.interactive && TYPED_WRONG.has(error.code)))
        throw error;
      session.say(error.code === 'image.exists' ? 'Bad name: Image already exists.' : error.message);
    }
  }
}

const TYPED_WRONG = new Set(['image.exists', 'image.badName', 'image.busy', 'image.changed']);

/** WalT's dialogue; ctrl-C saves nothing. */
async function askName(session: Session, image: string): Promise<string> {
  const typed = await session.ask(`New image name [${image}]: `);
  if (typed === '') session.say(`Selected: ${image}`);
  return typed || image;
}

/** `isNew`: under a name that no image had */
export function saySaved(
  session: Session,
  isNew: boolean,
  { image, rebooted }: Result<'image.saveShell'>,
): void {
  session.print(isNew ? `New image ${image.name} saved.` : `Image ${image.name} updated.`);
  for (const node of rebooted) session.print(`Node ${node}: rebooted ok.`);
}

export function task({ session, signal }: LabSession): Required<CallOptions> {
  return { signal, onProgress: session.progress.show };
}
