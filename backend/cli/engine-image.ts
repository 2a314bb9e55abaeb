import { isEngineLink } from '../api/engine-link.ts';
import type { LabSession } from './session.ts';

/** The name of the image to boot; one of an engine (`docker:<name>`) is brought into the store first. */
export async function bootImage(lab: LabSession, image: string): Promise<string> {
  if (!isEngineLink(image)) return image;
  const { bootableImage } = await import('../api/engine-images.ts');
  const { session, signal } = lab;
  try {
    return await bootableImage(lab.client, image, {
      signal,
      onProgress: session.progress.show,
      warn: (sentence) => session.say(`WARNING: ${sentence}`),
    });
  } finally {
    session.progress.clear();
  }
}
