import type { ImageFixer } from '../nodes/image-fixer.ts';
import type { ImageOperations } from '../nodes/image-operations.ts';
import type { ImageInfo } from './image.ts';
import type { ImageCopier } from './image-copy.ts';
import type { imageOperationMethods } from './image-operations.ts';
import type { StoredImage } from './handlers.ts';
import type { ServedHandlers } from './server-connection.ts';

export type OperationHandlers = Pick<ServedHandlers, keyof typeof imageOperationMethods>;

interface Parts {
  operations: Pick<ImageOperations, keyof ImageOperations>;
  copier: Pick<ImageCopier, 'copy'>;
  fixer: Pick<ImageFixer, 'fix'>;
  info: (image: StoredImage) => Promise<ImageInfo>;
  imagesChanged: () => void;
}

export function imageOperationHandlers({
  operations,
  copier,
  fixer,
  info,
  imagesChanged,
}: Parts): OperationHandlers {
  const told = <T>(result: T): T => {
    imagesChanged();
    return result;
  };
  return {
    'image.history': ({ image }) => operations.history(image),
    'image.duplicate': async ({ image, name }) => told(await info(operations.duplicate(image, name))),
    'image.rename': async ({ image, name }) => told(await info(operations.rename(image, name))),
    'image.squash': async ({ image, as, force }, context) => {
      const done = await operations.squash(image, as, force, context);
      return told({ ...done, image: await info(done.image) });
    },
    'image.label': async ({ image, labels, remove, force }, context) => {
      const done = await operations.label(image, labels, remove, force, context);
      return told({ ...done, image: await info(done.image) });
    },
    'image.fix': async (request, context) => {
      const done = await fixer.fix(request, context);
      return told({ ...done, image: await info(done.image) });
    },
    'image.replace': async ({ force, ...source }, context) => {
      const warnings: string[] = [];
      const warn = (sentence: string): void => void warnings.push(sentence);
      const done = await operations.bringIn({ ...source, warn }, force, context);
      return told({ ...done, image: await info(done.image), warnings });
    },
    'image.diff': ({ from, to, by, limit }, context) => operations.diff(from, to, by, limit, context),
    'image.export': async ({ image, ...target }, context) => {
      await operations.export(image, target, context);
      return {};
    },
    'image.cp': async (params, context) => {
      const done = await copier.copy(params, context);
      return done.changed ? told(done) : done;
    },
    'image.df': () => operations.usage(),
    'image.gc': async () => ({ freedBytes: await operations.collect() }),
  };
}
