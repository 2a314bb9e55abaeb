import * as vscode from 'vscode';
import { isEngineLink } from '../../backend/api/engine-link.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import type { Task } from '../ui/progress.ts';

/**
 * The name of the image to boot; one of an engine (`docker:<name>`) is brought into the store first, as `node boot` of the
 * command line does.
 */
export async function fetchedImage({ connection }: Parts, image: string, task: Task): Promise<string> {
  if (!isEngineLink(image)) return image;
  const { bootableImage } = await import('../../backend/api/engine-images.ts');
  return await bootableImage(connection, image, {
    ...task,
    env: labEnvironment(),
    warn: (sentence) => void vscode.window.showWarningMessage(`${image}: ${sentence}`),
  });
}
