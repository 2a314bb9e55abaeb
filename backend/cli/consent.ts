import { BootyardError } from '../errors.ts';
import type { LabSession } from './session.ts';

export interface Consent {
  /** of the daemon's refusal, one or several */
  code: string | readonly string[];
  /** asked after the refusal's sentence */
  question: string;
  /** what a user who says no reads */
  unchanged: string;
}

/**
 * Does `act` with the user's consent to lose something if `force` says so. Without: when the daemon refuses, a user on a
 * terminal is asked, and another is told to use --force.
 */
export async function withConsent(
  lab: LabSession,
  force: boolean,
  { code, question, unchanged }: Consent,
  act: (consent: boolean) => Promise<unknown>,
): Promise<void> {
  const { session } = lab;
  try {
    await act(force);
  } catch (error) {
    if (!(error instanceof BootyardError) || ![code].flat().includes(error.code)) throw error;
    if (!session.interactive) throw withHint(error);
    if (await session.confirm(`${error.message}\n${question}`)) await act(true);
    else {
      session.exitCode = 1;
      session.say(unchanged);
    }
  }
}

function withHint(error: BootyardError): BootyardError {
  if (error.message.includes('--force')) return error;
  return new BootyardError(error.code, `${error.message} Use --force to go on.`, error.data);
}
