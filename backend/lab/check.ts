/** One finding of the doctor. */
export interface Check {
  /** what was looked at, a few words */
  name: string;
  level: 'ok' | 'warn' | 'fail';
  /** what was found, one clause */
  message: string;
  /** a command to run, or one clause on what to do; absent when all is well */
  fix?: string;
}

export function ok(name: string, message: string): Check {
  return { name, level: 'ok', message };
}
export function warn(name: string, message: string, fix?: string): Check {
  return { name, level: 'warn', message, fix };
}
export function fail(name: string, message: string, fix?: string): Check {
  return { name, level: 'fail', message, fix };
}
