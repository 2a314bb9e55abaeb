import type { Finding } from '../../../backend/boot/lint/finding.ts';
import type { StoredEvent } from '../../../backend/events/steps.ts';
import type { BootFacts } from '../../../backend/nodes/explain/facts.ts';
import { nodeDefaults } from '../../../backend/nodes/settings.ts';

/** A cause, a boot that has it, and words of the sentence: where, why, what to do. */
export type Case = [cause: string, change: Partial<BootFacts>, ...words: string[]];

/** A boot that stopped, save for what a test says otherwise. */
export function boot(change: Partial<BootFacts>): BootFacts {
  return {
    node: 'n1',
    image: 'img',
    model: 'pc-x86-64',
    stage: 'boot files',
    end: { kind: 'stalled', text: 'no progress for 60 s; last: boot files' },
    events: [],
    console: [],
    findings: [],
    settings: { ...nodeDefaults, ...change.settings },
    ...change,
  };
}

/** No room for an image on a disk beside a copy that holds data, as walt-hybrid-copy says it. */
export const noRoom: Partial<BootFacts> = {
  stage: 'walt-init',
  end: {
    kind: 'given up',
    text: "No room on sda1 for the image (99 MiB needed, 9 MiB free), and the copy of image 0123456789ab holds data: let it go with 'bootyard node disk remove n1 0123456789ab --force'.",
  },
};

export const stopped = (stage: string, ...console: string[]): Partial<BootFacts> => ({ stage, console });
export const panicked = (stage: string, ...console: string[]): Partial<BootFacts> => ({
  stage,
  console,
  end: { kind: 'panicked', text: `${console.at(-1) ?? 'Kernel panic'} (${stage})` },
});
export const refusedStart = (text: string, code?: string): Partial<BootFacts> => ({
  stage: 'power-on',
  end: { kind: 'not started', text, ...(code !== undefined && { code }) },
});

type Dhcp = Extract<StoredEvent, { kind: 'dhcp' }>;
export const dhcp = (message: string, cause: string, more: Partial<Dhcp> = {}): StoredEvent => ({
  kind: 'dhcp',
  time: 0,
  message,
  cause,
  ...more,
});
export const refused = (path: string, cause: string, kind: 'tftp' | 'http' = 'http'): StoredEvent => ({
  kind,
  time: 0,
  phase: 'refused',
  path,
  bytes: 0,
  cause,
});
export const begun = (path: string): StoredEvent => ({
  kind: 'http',
  time: 0,
  phase: 'start',
  path,
  bytes: 8_000_000,
});
export const sent = (path: string, cause?: string): StoredEvent => ({
  kind: 'http',
  time: 0,
  phase: 'end',
  path,
  bytes: 8_000_000,
  ...(cause !== undefined && { cause }),
});
export const finding = (rule: string, message: string, fix: string, path = '/x'): Finding => ({
  rule,
  severity: 'error',
  path,
  message,
  fix,
});
export const settings = (change: Partial<BootFacts['settings']>): BootFacts['settings'] => ({
  ...nodeDefaults,
  ...change,
});
