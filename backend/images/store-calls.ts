import type { Publish } from '../events/bus.ts';
import type { ExportedImage } from './export.ts';
import type { TransferFolders } from './layout-folder.ts';
import type { BuiltFrom, Config, Recipe } from './oci.ts';
import type { ImageRecord } from './records.ts';
import type { ImportControl, StagedLayer } from './staging.ts';
import type { ImageTree } from './tree/tree.ts';

/** What the store of images takes and answers. */

export interface ImportParams extends ImportControl {
  /** a root file system tar, an OCI or Docker archive, an OCI layout or a root folder */
  path: string;
  name: string;
  /** put into the image's configuration, which gives it another id */
  labels?: Record<string, string>;
  /** replaces an image of the same name */
  force?: boolean;
  /** the link by which it was cloned */
  origin?: string;
  /** what it was built of */
  builtFrom?: BuiltFrom | undefined;
  /** how it was made */
  recipe?: Recipe | undefined;
  /** may refuse at the last moment what has these labels */
  check?: (labels: Record<string, string>) => void;
  /** gets a sentence for each thing in the image that nodes will not see */
  warn?: (sentence: string) => void;
}
export interface StoreOptions {
  log?: (line: string) => void;
  publish?: Publish;
  /** says of an image without a name, by its id, that it is needed all the same */
  isNeeded?: (id: string) => boolean;
  /** what one layer may unpack to; 64 GiB by default */
  maxLayerBytes?: number;
}

/** A stored image whose content stays while `tree` is open. */
export interface OpenImage extends ExportedImage {
  config: Config;
  tree: ImageTree;
}
export interface Derived {
  config: Config;
  added?: StagedLayer[];
  /** how many of its layers stay below those; all by default */
  kept?: number;
  squashed?: StagedLayer;
}
export interface DeriveOptions {
  name: string;
  force?: boolean;
  signal?: AbortSignal;
  check?: (labels: Record<string, string>) => void;
}
export interface Transfer {
  /** layers of the question that are in the store */
  there: string[];
  folders: TransferFolders;
  /** the image of the question, with its configuration byte by byte */
  content?: ImageRecord & { config: string };
}
