/** QEMU's options are separated by commas; a comma of a value is written twice (qemu(1)). */
export function escapeOption(value: string): string {
  return value.replaceAll(',', ',,');
}
