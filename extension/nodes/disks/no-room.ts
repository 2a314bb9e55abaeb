/** The begin of the id of the image copy whose data kept a node from booting, as its failure names it. */
export function copyInTheWay(failure: string): string | undefined {
  return /\bno room on .* the copy of image ([0-9a-f]{12}) holds data\b/i.exec(failure)?.[1];
}
