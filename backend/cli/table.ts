export { printable } from '../api/printable.ts';
export { formatTable, formatSize, formatSeconds } from '../api/text-table.ts';
