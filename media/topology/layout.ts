// Where the parts of the drawing are. Nodes stand below each other with the server first; each network is a line down
// the page, and a cable leads from a node to the line of its network. All in px.
import type { BoxInfo, LinkInfo } from '../../extension/topology/messages.ts';

export const BOX = { width: 280, height: 46 } as const;
const ROW = 66;
const MARGIN = 16;
/** room for the names of networks, above the first row */
const HEAD = 34;
/** between the lines of networks: room for what a cable says */
const COLUMN = 230;
/** between the cables of one node */
const CABLE = 18;

export interface PlacedBox {
  readonly box: BoxInfo;
  readonly x: number;
  readonly y: number;
}
export interface PlacedNetwork {
  readonly name: string;
  readonly x: number;
  readonly top: number;
  readonly bottom: number;
}
export interface PlacedLink {
  readonly link: LinkInfo;
  readonly from: number;
  readonly to: number;
  readonly y: number;
  /** where what it says begins: left of its network's line */
  readonly textX: number;
}
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly PlacedBox[];
  readonly networks: readonly PlacedNetwork[];
  readonly links: readonly PlacedLink[];
}

export interface Drawn {
  readonly networks: readonly string[];
  readonly boxes: readonly BoxInfo[];
  readonly links: readonly LinkInfo[];
}

export function layout({ networks, boxes, links }: Drawn): Layout {
  const boxEnd = MARGIN + BOX.width;
  const lineX = (network: string): number => boxEnd + COLUMN * (networks.indexOf(network) + 1);
  const middle = (row: number): number => HEAD + ROW * row + BOX.height / 2;
  const placedLinks = boxes.flatMap((box, row) => {
    const own = links.filter(({ mac, network }) => mac === box.mac && networks.includes(network));
    return own.map((link, at): PlacedLink => {
      const to = lineX(link.network);
      const y = middle(row) + (at - (own.length - 1) / 2) * CABLE;
      return { link, from: boxEnd, to, y, textX: to - COLUMN + 10 };
    });
  });
  return {
    width: boxEnd + COLUMN * networks.length + 90,
    height: HEAD + ROW * boxes.length,
    boxes: boxes.map((box, row) => ({ box, x: MARGIN, y: HEAD + ROW * row })),
    networks: networks.map((name) => {
      const ys = placedLinks.filter(({ link }) => link.network === name).map(({ y }) => y);
      return { name, x: lineX(name), top: HEAD - 8, bottom: Math.max(HEAD, ...ys) };
    }),
    links: placedLinks,
  };
}
