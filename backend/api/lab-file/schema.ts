import * as z from 'zod';
import { MODEL_NAMES } from '../../boot/models.ts';
import { NodeSettings } from '../../nodes/settings.ts';
import { SNAPSHOT_NAME } from '../../nodes/snapshots/info.ts';

/** What the file of a lab is called. */
export const LAB_FILE = 'bootyard.yaml';

const Text = z.string().min(1);

/** What a network does to the frames of a node, in the words of the setting `networks`. */
export const NetworkEntry = z
  .strictObject({
    lat: Text.optional()
      .meta({ examples: ['10ms', '500us'] })
      .describe('what a round trip takes longer, such as 10ms'),
    bw: Text.optional()
      .meta({ examples: ['100Mbps', '64kbps'] })
      .describe('bandwidth of each direction, such as 100Mbps'),
    loss: Text.optional()
      .meta({ examples: ['1%'] })
      .describe('how much gets lost in each direction, such as 1%'),
  })
  .describe('a network of nodes, and what it does to the frames of each of them');
export type NetworkEntry = z.infer<typeof NetworkEntry>;

const BuildSource = z
  .strictObject({
    folder: Text.optional().describe('folder to build from, relative to this file'),
    url: Text.optional().describe('git repository to build from, <url>[#<branch, tag or commit>]'),
    dir: Text.optional().describe('the folder of it where the build takes place'),
    file: Text.optional().describe('the Dockerfile, relative to that folder'),
    args: z.record(z.string(), z.string()).optional().describe('values of ARG instructions'),
    network: Text.optional().describe('network of RUN steps as the engine calls it, such as host or none'),
    node: Text.optional().describe('the node on which steps RUN --on-node run; a temporary one by default'),
  })
  .describe('built from a Dockerfile with Docker or Podman, as `bootyard image build`');
export type BuildSource = z.infer<typeof BuildSource>;

const Variant = z
  .strictObject({
    packages: z.array(Text).optional().describe('Debian packages to add'),
    files: Text.optional().describe('folder whose files go on top, relative to this file'),
  })
  .describe('the Debian image with more in it, as `bootyard image build-default --as`');

export const ImageEntry = z
  .strictObject({
    build: z
      .union([Text.describe('folder to build from, relative to this file'), BuildSource])
      .optional()
      .describe('build it from a folder with a Dockerfile, or from a git repository'),
    clone: Text.optional()
      .meta({ examples: ['hub:waltplatform/pc-x86-64-default', 'docker:my-image'] })
      .describe(
        'fetch it from a registry, Docker or Podman: [hub|<label>]:<user>/<name>[:<tag>], docker:<name>[:<tag>]',
      ),
    import: Text.optional().describe(
      'import it from a root file system tar, an OCI or Docker archive, an OCI layout or a folder, relative to this file',
    ),
    default: z
      .union([z.literal('true').describe('the default image of this name'), Variant])
      .optional()
      .describe('a default image, or the Debian one with more in it'),
    labels: z
      .record(z.string(), z.string())
      .optional()
      .describe('with import: labels to add, such as walt.node.models: pc-x86-64'),
    model: z
      .enum(MODEL_NAMES)
      .optional()
      .describe('with clone: the node model that it is for, when there are several of that name'),
  })
  .describe('an image, and how to make it: one of build, clone, import and default');
export type ImageEntry = z.infer<typeof ImageEntry>;

export const NodeEntry = z
  .strictObject({
    image: Text.optional().describe(
      'the image that it boots, of `images` or of the lab; by default that of its model',
    ),
    model: z.enum(MODEL_NAMES).optional().describe('the node model; by default what the image serves'),
    power: z
      .enum(['on', 'off'], { error: 'on or off' })
      .optional()
      .describe('whether it shall run (default: on)'),
    settings: z
      .strictObject(NodeSettings.shape)
      .optional()
      .describe(
        'settings by the names of `bootyard node config`; those that are not here have their default',
      ),
    from: z
      .string()
      .regex(/^[^@\s]+@[^@\s]+$/, '<node>@<snapshot>, as `bootyard node snapshot list` has it')
      .meta({ examples: ['web@fresh'] })
      .optional()
      .describe(
        'made as a copy that goes on from a snapshot, instead of a boot; image and settings come from there',
      ),
    snapshots: z
      .array(z.string().regex(SNAPSHOT_NAME, 'up to 64 letters, digits and _ . -, a letter or digit first'))
      .optional()
      .describe('names of snapshots; one that is not there is saved when the node is booted'),
  })
  .describe('a virtual node');
export type NodeEntry = z.infer<typeof NodeEntry>;

/** A lab as a file: `bootyard.yaml`. */
export const LabFile = z
  .strictObject({
    networks: z
      .record(z.string(), NetworkEntry.nullable())
      .optional()
      .describe('networks of nodes beside walt-net; nodes name them in their setting networks'),
    images: z
      .record(z.string(), ImageEntry)
      .optional()
      .describe('images by their names, and how to make them'),
    nodes: z.record(z.string(), NodeEntry.nullable()).optional().describe('nodes by their names'),
  })
  .describe('a lab of Bootyard: images, networks and nodes');
export type LabFile = z.infer<typeof LabFile>;

/** A lab file with all defaults filled in and all paths absolute, ready to be compared with a lab. */
export interface Lab {
  images: Map<string, ImageSource>;
  nodes: Map<string, LabNode>;
}
export type ImageSource =
  | {
      kind: 'build';
      from: { folder: string } | { url: string };
      dir?: string;
      file?: string;
      args: Record<string, string>;
      network?: string;
      node?: string;
    }
  | { kind: 'clone'; link: string; model?: string }
  | { kind: 'import'; path: string; labels: Record<string, string> }
  | { kind: 'default'; variant?: { packages: string[]; files?: string } };
export interface LabNode {
  image?: string;
  model?: string;
  power: 'on' | 'off';
  settings: NodeSettings;
  from?: string;
  snapshots: string[];
}
