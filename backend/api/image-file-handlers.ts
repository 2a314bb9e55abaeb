import type { ImageFiles } from '../images/files/image-files.ts';
import type { ImageEditor } from '../nodes/image-editor.ts';
import type { Changed } from '../nodes/image-operations.ts';
import type { StoredImage } from './handlers.ts';
import type { ImageInfo } from './image.ts';
import type { imageFileMethods } from './image-files.ts';
import type { ServedHandlers } from './server-connection.ts';

export type FileHandlers = Pick<ServedHandlers, keyof typeof imageFileMethods>;

interface Parts {
  files: Pick<ImageFiles, keyof ImageFiles>;
  editor: Pick<ImageEditor, keyof ImageEditor>;
  info: (image: StoredImage) => Promise<ImageInfo>;
  imagesChanged: () => void;
}

export function imageFileHandlers({ files, editor, info, imagesChanged }: Parts): FileHandlers {
  const told = async (done: Changed) => {
    if (done.changed) imagesChanged();
    return { ...done, image: await info(done.image) };
  };
  return {
    'image.file': ({ image, path }) => files.stat(image, path),
    'image.files': ({ image, path, from, limit }) => files.list(image, path, from, limit),
    'image.readFile': async ({ image, path, offset, length }) => {
      const { bytes, ...answer } = await files.read(image, path, offset, length);
      return { ...answer, data: bytes.toString('base64') };
    },
    'image.searchFiles': ({ image, path, ...options }, context) =>
      files.search(image, path, options, context),
    'image.edit': async ({ image }, context) => {
      const copy = await editor.open(image, context);
      imagesChanged();
      return copy;
    },
    'image.editFile': async ({ image, edit, force }, context) =>
      told(await editor.edit(image, edit, force, context)),
    'image.saveEdits': async ({ image, as, force }, context) =>
      told(await editor.save(image, as, force, context)),
  };
}
