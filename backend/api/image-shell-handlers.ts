import type { ImageOperations } from '../nodes/image-operations.ts';
import { type ImageShells, SHELL_TASK } from '../nodes/image-shells.ts';
import type { StoredImage } from './handlers.ts';
import type { ImageInfo } from './image.ts';
import type { imageShellMethods } from './image-shell.ts';
import type { ServedHandlers } from './server-connection.ts';

export type ShellHandlers = Pick<ServedHandlers, keyof typeof imageShellMethods>;

interface Parts {
  operations: Pick<ImageOperations, 'holdEdit'>;
  shells: Pick<ImageShells, keyof ImageShells>;
  info: (image: StoredImage) => Promise<ImageInfo>;
  imagesChanged: () => void;
}

export function imageShellHandlers({ operations, shells, info, imagesChanged }: Parts): ShellHandlers {
  return {
    'image.openShell': async ({ image, saveAs }, context) => {
      const stream = context.openStream();
      return { node: await shells.open(image, saveAs, stream, context), stream: stream.id };
    },
    'image.holdShell': ({ node }, context) => {
      const stream = context.openStream();
      shells.hold(node, stream);
      return { stream: stream.id };
    },
    'image.holdEdit': ({ image, session }, context) => {
      const stream = context.openStream();
      operations.holdEdit(session, image, SHELL_TASK, stream);
      return { stream: stream.id };
    },
    'image.shellDiff': ({ node }, context) => shells.diff(node, context),
    'image.saveShell': async ({ node, id, image, force }, context) => {
      const saved = await shells.save(node, id, image, force, context);
      imagesChanged();
      return { image: await info(saved.image), rebooted: saved.rebooted };
    },
  };
}
