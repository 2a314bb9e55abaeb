import type { ImageFiles } from '../images/files/image-files.ts';
import type { imageFileMethods } from './image-files.ts';
import type { ServedHandlers } from './server-connection.ts';

export type FileHandlers = Pick<ServedHandlers, keyof typeof imageFileMethods>;

interface Parts {
  files: Pick<ImageFiles, keyof ImageFiles>;
}

export function imageFileHandlers({ files }: Parts): FileHandlers {
  return {
    'image.file': ({ image, path }) => files.stat(image, path),
    'image.files': ({ image, path, from, limit }) => files.list(image, path, from, limit),
    'image.readFile': async ({ image, path, offset, length }) => {
      const { bytes, ...answer } = await files.read(image, path, offset, length);
      return { ...answer, data: bytes.toString('base64') };
    },
    'image.searchFiles': ({ image, path, ...options }, context) =>
      files.search(image, path, options, context),
  };
}
