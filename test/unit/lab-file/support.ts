import type { ImageInfo } from '../../../backend/api/image.ts';

export const imageInfo = (name: string, part: Partial<ImageInfo> = {}): ImageInfo => ({
  name,
  id: 'a'.repeat(64),
  labels: {},
  sizeBytes: 1,
  ownBytes: 1,
  created: '2025-01-01T00:00:00.000Z',
  inUse: false,
  nodes: [],
  layers: 1,
  models: ['pc-x86-64'],
  ...part,
});
