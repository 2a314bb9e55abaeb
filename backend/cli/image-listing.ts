import type { ImageInfo } from '../api/image.ts';
import { checkText, timeText } from '../api/image-listing.ts';
import { formatSize, formatTable } from './table.ts';

/** `more`: rows of other sources */
export function imageTable(images: ImageInfo[], more: string[][] = []): string {
  const header = ['name', 'in_use', 'created', 'size', 'own', 'compatibility', 'check'];
  const rows = images.map((image) => [
    image.name,
    image.inUse ? 'True' : 'False',
    timeText(image.created),
    formatSize(image.sizeBytes),
    formatSize(image.ownBytes),
    image.models.join(','),
    checkText(image),
  ]);
  return formatTable(header, [...rows, ...more]);
}
