import { shaperSockets } from '../../lab/shaper/shaper.ts';
import { escapeOption } from '../qemu-option.ts';

/** A network card of a machine. */
export interface NetworkCard {
  network: string;
  mac: string;
  tap: string;
  /** what the names of the shaper's sockets begin with, when its links are shaped */
  shaper: string | undefined;
}

/** What the first card has to do with booting: its ROM boots, or the firmware by it, or something that asks neither. */
export type BootCard = 'rom' | 'first' | 'no';

const BOOT_OPTIONS: Record<BootCard, string> = {
  rom: 'bootindex=1',
  first: 'bootindex=1,romfile=',
  no: 'romfile=',
};

/**
 * QEMU's arguments for the cards of a node, in the guest's order. Only the first can boot (`boot`).
 *
 * Frames of a shaped card make a detour through the shaper, in each direction out by one socket and in by another. Such a
 * card has no offloads (`vnet_hdr=off`): what the shaper counts are the frames of a wire.
 */
export function networkArguments(cards: readonly NetworkCard[], boot: BootCard): string[] {
  return cards.flatMap(({ mac, tap, shaper }, index) => {
    const id = `net${index}`;
    const rom = BOOT_OPTIONS[index === 0 ? boot : 'no'];
    const netdev = `tap,id=${id},ifname=${escapeOption(tap)},script=no,downscript=no`;
    return [
      ...['-netdev', shaper === undefined ? netdev : `${netdev},vnet_hdr=off`],
      ...['-device', `virtio-net-pci,netdev=${id},mac=${mac},${rom}`],
      ...(shaper === undefined ? [] : detour(id, shaper)),
    ];
  });
}

/** `rx` is what the back end receives from the guest, `tx` what it sends to the guest (qemu(1), filter-redirector). */
function detour(netdev: string, path: string): string[] {
  const { fromGuest, toGuest } = shaperSockets(path);
  const directions = [
    { queue: 'rx', ...fromGuest },
    { queue: 'tx', ...toGuest },
  ];
  return directions.flatMap(({ queue, source, target }) => {
    const id = `${netdev}${queue}`;
    return [
      ...['-chardev', `socket,id=${id}out,path=${escapeOption(source)}`],
      ...['-chardev', `socket,id=${id}in,path=${escapeOption(target)}`],
      '-object',
      `filter-redirector,id=${id},netdev=${netdev},queue=${queue},outdev=${id}out,indev=${id}in`,
    ];
  });
}
