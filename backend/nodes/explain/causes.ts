import type { Cause } from './cause.ts';
import { bootFileCauses, scriptFailedCause } from './causes-boot-files.ts';
import { kernelCauses } from './causes-kernel.ts';
import { machineCauses } from './causes-machine.ts';
import { dhcpCauses, linkCauses } from './causes-network.ts';
import { memoryCauses, panicCause, panicCauses } from './causes-panic.ts';
import { rootCauses, stepCause } from './causes-root.ts';
import { rebootCauses, spaceCauses, systemCauses } from './causes-system.ts';

/** All causes, the most specific first: the first that fits is the explanation. */
export const causes: readonly Cause[] = [
  ...machineCauses,
  ...dhcpCauses,
  ...bootFileCauses,
  ...kernelCauses,
  ...rootCauses,
  ...spaceCauses,
  ...memoryCauses,
  ...panicCauses,
  panicCause,
  ...systemCauses,
  ...linkCauses,
  scriptFailedCause,
  stepCause,
  ...rebootCauses,
];
