import * as z from 'zod';

/** How a debugger gets to the kernel of a node. */
export const KernelDebugging = z.object({
  /** a Unix socket on which QEMU speaks gdb's remote protocol */
  socket: z.string(),
  /** an ELF file with the kernel's symbols */
  symbols: z.string(),
  /** by how much the kernel that runs is away from the addresses in that file; hexadecimal */
  offset: z.string(),
  /** as in `uname -r` */
  release: z.string(),
  /** `debug package`: the symbols have types and lines; `kernel`: they are names of functions and data alone */
  source: z.enum(['debug package', 'kernel']),
  /** what to say to gdb, the last one connects */
  commands: z.array(z.string()),
});
export type KernelDebugging = z.infer<typeof KernelDebugging>;
