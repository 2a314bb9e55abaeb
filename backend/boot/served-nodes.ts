import { posix } from 'node:path';
import type { BootPlan } from './plan.ts';

/**
 * Which boot plan a packet's sender is on. Servers ask by client address; a client is only ever given its own plan.
 */
export class ServedNodes {
  readonly #byAddress = new Map<string, BootPlan>();
  readonly #onChange: (plans: readonly BootPlan[]) => void;

  /** `onChange` is told of all plans whenever there is one more or one less */
  constructor(onChange: (plans: readonly BootPlan[]) => void = () => undefined) {
    this.#onChange = onChange;
  }

  add(plan: BootPlan): void {
    this.#byAddress.set(plan.node.ip, plan);
    this.#onChange(this.all());
  }
  remove(address: string): BootPlan | undefined {
    const plan = this.#byAddress.get(address);
    this.#byAddress.delete(address);
    this.#onChange(this.all());
    return plan;
  }
  all(): BootPlan[] {
    return [...this.#byAddress.values()];
  }
  byAddress(address: string): BootPlan | undefined {
    return this.#byAddress.get(address);
  }
  byMac(mac: string): BootPlan | undefined {
    return this.all().find((plan) => plan.node.mac === mac);
  }
}

/** `//a/./b` and `a\b` mean `/a/b`; `..` cannot climb above the root. */
export function cleanPath(path: string): string {
  return posix.normalize(`/${path.replaceAll('\\', '/')}`);
}
