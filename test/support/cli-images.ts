import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageCopier } from '../../backend/api/image-copy.ts';
import { imageOperationHandlers } from '../../backend/api/image-operation-handlers.ts';
import { ImageLinter } from '../../backend/boot/lint/linter.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { ImageFixer } from '../../backend/nodes/image-fixer.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import type { CommandLine } from './cli.ts';

/** A real store, in `home`, which is for the caller to remove. */
export interface ServedImages {
  home: string;
  store: ImageStore;
  /** what is told of nodes; no node is rebooted */
  nodes: NodeInfo[];
}

/** What is done to images, behind the command line: the API's handlers on a real store. */
export function serveImages(cli: CommandLine): ServedImages {
  const home = mkdtempSync(join(tmpdir(), 'bootyard-cli-image-'));
  const store = new ImageStore(join(home, 'store'));
  const served: ServedImages = { home, store, nodes: [] };
  const reboot = (): Promise<void> => Promise.resolve();
  const operations = new ImageOperations({ images: store, nodes: () => served.nodes, reboot });
  const linter = new ImageLinter({ images: store, ramBytes: 2 ** 29, log: () => undefined });
  const info = (image: ReturnType<ImageStore['named']>) => ({
    ...{ ...image, layers: image.layers.length, ownBytes: 1, inUse: false, nodes: [] },
  });
  Object.assign(
    cli.handlers,
    imageOperationHandlers({
      operations,
      copier: new ImageCopier(store, operations),
      fixer: new ImageFixer(store, operations),
      info: (image) => Promise.resolve({ ...image, ...info(store.named(image.name)) }),
      imagesChanged: () => {},
    }),
  );
  cli.handlers['image.lint'] = ({ image }) => linter.lint(store.named(image));
  cli.handlers['image.list'] = ({ images = [] }) =>
    store
      .list()
      .filter(({ name }) => images.length === 0 || images.includes(name))
      .map(info);
  return served;
}
