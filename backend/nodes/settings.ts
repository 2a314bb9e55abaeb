import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { BootyardError, messageOf } from '../errors.ts';
import { DISK_TEMPLATES, parseDisks } from './disks/setting.ts';
import { parseBootMode } from './boot-mode.ts';
import { parseExpose } from './expose.ts';
import { MAIN_NETWORK, parseNetworks } from './networks/setting.ts';

/** Settings by WalT's names; absent means the default. `nodeDefaults` has the values. */
export const NodeSettings = z.object({
  netsetup: z
    .preprocess(
      (value) => (typeof value === 'string' ? value.toUpperCase() : value),
      z.enum(['LAN', 'NAT'], { error: "Failed: netsetup value should be 'NAT' or 'LAN'." }),
    )
    .optional()
    .describe(
      'LAN: the node reaches the lab alone; NAT: also the internet, but never the host and its networks',
    ),
  networks: grammar(parseNetworks)
    .meta({ examples: ['walt-net', 'walt-net,home-net', 'walt-net,home-net[lat=10ms,bw=100Mbps]'] })
    .optional()
    .describe(
      'walt-net and networks of nodes alone, such as walt-net,home-net[lat=10ms,bw=100Mbps,loss=1%]; lat: what a round ' +
        'trip takes longer, half of it each way; bw (kbps, Mbps, Gbps) and loss: of each direction',
    ),
  ram: z
    .string()
    .regex(/^[1-9]\d*[MG]$/, 'a number and M or G, such as 512M')
    .refine((text) => megabytes(text) >= 128 && megabytes(text) <= 1024 * 1024, 'between 128M and 1024G')
    .meta({ examples: ['512M', '1G', '4G'] })
    .optional()
    .describe('memory of the virtual machine, such as 512M or 2G'),
  'cpu.cores': wholeNumber(1, 64).optional().describe('number of virtual processors'),
  disks: grammar(parseDisks)
    .meta({
      examples: ['none', '32G[template=ext4]', '32G[template=hybrid-boot-v]', '10G,1T[template=ext4]'],
    })
    .optional()
    .describe(`none, or sizes such as 32G[template=ext4],1T; templates: ${DISK_TEMPLATES.join(', ')}`),
  'boot.mode': grammar(parseBootMode)
    .meta({
      examples: [
        'auto',
        'network-volatile',
        'network-persistent',
        'hybrid-volatile',
        'hybrid-persistent[partition=sda1]',
      ],
    })
    .optional()
    .describe(
      'auto (marks on the disks decide); network-volatile; network-persistent: what is written over the image is kept ' +
        'with the node, for each image; hybrid-volatile or hybrid-persistent, maybe with [partition=sda1], which may be ' +
        'used without a mark',
    ),
  'boot.delay': z
    .union([z.literal('random'), wholeNumber(0, 3600, 'random or ')], {
      error: 'random or a whole number from 0 to 3600',
    })
    .optional()
    .describe('seconds before each boot; random: 1 to 10, anew for each boot'),
  'boot.timeout': z
    .union([z.literal('none'), wholeNumber(10, 86_400, 'none or ')], {
      error: 'none or a whole number from 10 to 86400',
    })
    .optional()
    .describe('seconds without any progress after which a boot counts as failed, or none'),
  'boot.retries': wholeNumber(0, 1000).optional().describe('automatic reboots after a failed boot'),
  'mount.persist': z
    .enum(['true', 'false'], { error: 'true or false' })
    .optional()
    .describe('whether the node may mount /persist, which outlives reboots and images'),
  'kexec.allow': z
    .enum(['true', 'false'], { error: 'true or false' })
    .optional()
    .describe(
      "whether an image's own reboot script may use kexec; virtual nodes reboot by themselves and run no such script",
    ),
  firmware: z
    .enum(['ipxe', 'pxe', 'uefi'], { error: 'ipxe, pxe or uefi' })
    .optional()
    .describe(
      "ipxe: iPXE as QEMU's kernel; pxe: the network card's PXE ROM; uefi: UEFI, its PXE or HTTP boot",
    ),
  accel: z
    .enum(['auto', 'kvm', 'tcg'], { error: 'auto, kvm or tcg' })
    .optional()
    .describe('acceleration of the virtual machine'),
  expose: grammar(parseExpose)
    .optional()
    .describe('none, or ports of the node that ports of this host lead to, such as 80:8080,22 (node:host)'),
});
export type NodeSettings = z.infer<typeof NodeSettings>;
export type FullSettings = Required<NodeSettings>;
export type SettingName = keyof NodeSettings;

/**
 * WalT's defaults, save two: a node gets no more processors than the host has (under TCG they would only wait), and boots
 * at once (WalT waits at random, to spare a server with many nodes).
 */
export const nodeDefaults: FullSettings = {
  netsetup: 'LAN',
  networks: MAIN_NETWORK,
  ram: '512M',
  'cpu.cores': Math.min(4, availableParallelism()),
  disks: 'none',
  'boot.mode': 'auto',
  'boot.delay': 0,
  'boot.timeout': 180,
  'boot.retries': 9,
  'mount.persist': 'true',
  'kexec.allow': 'true',
  firmware: 'ipxe',
  accel: 'auto',
  expose: 'none',
};

/** Settings that a running machine takes over at its next start. */
const NEXT_BOOT = new Set<string>([
  'netsetup',
  'networks',
  'ram',
  'cpu.cores',
  'disks',
  'boot.mode',
  'boot.delay',
  'mount.persist',
  'firmware',
  'accel',
]);

/** Every setting with its default and what it means, a line each: for help texts. */
export function settingsHelp(): string {
  const names = Object.keys(nodeDefaults) as SettingName[];
  const lines = names.map((name) => {
    const value = name === 'cpu.cores' ? '4, or as many as the host has' : nodeDefaults[name];
    return `  ${name.padEnd(13)} ${NodeSettings.shape[name].description} (default: ${value})`;
  });
  return ['Settings:', ...lines].join('\n');
}

/** A setting that is there with the value `undefined` counts as absent. */
export function withDefaults(settings: NodeSettings): FullSettings {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return { ...nodeDefaults, ...(Object.fromEntries(given) as NodeSettings) };
}

/** Memory in MiB, as QEMU's -m counts it. */
export function megabytes(ram: string): number {
  const number = Number.parseInt(ram, 10);
  return ram.endsWith('G') ? number * 1024 : number;
}

/** Bytes that a node has with a value of the setting `ram`, or without one. Throws `node.setting` with a sentence. */
export function ramBytes(ram: string = nodeDefaults.ram): number {
  checkSettings({ ram });
  return megabytes(ram) * 2 ** 20;
}

/**
 * Checks settings as they come from a user, all or none. Throws `node.setting` with a sentence that names the first
 * wrong one.
 */
export function checkSettings(given: Readonly<Record<string, unknown>>): NodeSettings {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(NodeSettings.shape, name)) continue;
    throw new BootyardError(
      'node.setting',
      `Unknown setting '${name}'. There is ${Object.keys(NodeSettings.shape).join(', ')}.`,
      { setting: name },
    );
  }
  const result = NodeSettings.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = String(issue?.path[0] ?? '');
  const what = issue?.message ?? 'another one';
  const sentence = what.endsWith('.')
    ? what
    : `Failed: ${name} value should be ${what}, not '${String(given[name])}'.`;
  throw new BootyardError('node.setting', sentence, { setting: name });
}

export function needsReboot(name: string): boolean {
  return NEXT_BOOT.has(name);
}

/** WalT's answer to a change of settings. */
export function settingsMessage(names: readonly string[]): string {
  return names.some(needsReboot) ? 'Done. Reboot node(s) to see new settings in effect.' : 'Done.';
}

/** WalT's listing of one node's settings, sorted by name. */
export function describeSettings(node: string, settings: NodeSettings): string {
  const lines = Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  return [`Node ${node} has the following config applied:`, ...lines].join('\n');
}

/** Text that `parse` takes; what it throws is a whole sentence for the user. */
function grammar(parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
    }
  });
}

/** Takes a number or decimal digits: `Number('')` and `Number('0x10')` are not what a user means. */
function wholeNumber(min: number, max: number, or = '') {
  const error = `${or}a whole number from ${min} to ${max}`;
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value),
    z.number({ error }).int(error).min(min, error).max(max, error),
  );
}
