import type { BootCase } from './cases.ts';

/** How long boots take that others are compared with, each booted once. */
export class References {
  readonly #boot: (test: BootCase, signal: AbortSignal) => Promise<number>;
  readonly #known = new Map<string, Promise<number>>();

  constructor(boot: (test: BootCase, signal: AbortSignal) => Promise<number>) {
    this.#boot = boot;
  }

  /** Seconds of a boot of `image` with the settings of a test, and without its faults. */
  of(test: BootCase, image: string, signal: AbortSignal): Promise<number> {
    const { networks } = test.spec.settings;
    const settings = { ...test.settings, networks };
    const key = JSON.stringify([image, test.spec.model, settings]);
    const known = this.#known.get(key);
    if (known) return known;
    const spec = {
      ...test.spec,
      faults: {},
      expect: { ...test.spec.expect, console: [], logs: [], panic: false },
    };
    const booted = this.#boot({ ...test, image, settings, spec, stage: 'booted' }, signal);
    this.#known.set(key, booted);
    return booted;
  }
}
