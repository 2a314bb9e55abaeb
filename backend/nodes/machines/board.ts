import { armBoard } from './arm.ts';
import { pcBoard } from './pc.ts';

export type Accel = 'kvm' | 'tcg';

/** What of QEMU's command line is a matter of the node model. */
export interface Board {
  /** QEMU's program */
  program: string;
  /** the value of -machine */
  machine: string;
  /** the value of -cpu */
  processor(accel: Accel): string;
  /** how many it has */
  serialLines: number;
  /** further words */
  extras: readonly string[];
  /** its system learns the hardware from a device tree, which QEMU makes */
  hasDeviceTree: boolean;
}

/** The board of a node model. Nodes of a model that this version does not know are not made, so it is one of these. */
export function boardOf(model: string): Board {
  return model === 'qemu-arm-64' ? armBoard : pcBoard;
}
