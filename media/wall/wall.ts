// The page of the console wall. What consoles print comes from the extension; keys go to it.
import { type FromPage, type Link, type PageState, ToPage } from '../../extension/wall/messages.ts';
import { element } from '../page.ts';
import { editorLook, onLookChange } from './theme.ts';
import { Tile, type TileActions } from './tile.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  setState(state: PageState): void;
};

const vscode = acquireVsCodeApi();
const wall = element('tiles', HTMLElement);
const tiles = new Map<string, Tile>();
const asked = new Map<number, (links: Link[]) => void>();
let asks = 0;
const actions: TileActions = {
  find: (mac, line, found) => {
    asked.set(++asks, found);
    vscode.postMessage({ type: 'find', mac, ask: asks, line });
  },
  follow: (mac, line, start) => vscode.postMessage({ type: 'follow', mac, line, start }),
  input: (mac, text) => vscode.postMessage({ type: 'input', mac, text }),
  open: (mac) => vscode.postMessage({ type: 'open', mac }),
};

function show(message: Extract<ToPage, { type: 'tiles' }>): void {
  element('title', HTMLElement).textContent = message.title;
  element('notice', HTMLElement).textContent = message.notice;
  vscode.setState({ macs: message.macs });
  const wanted = new Set(message.tiles.map(({ mac }) => mac));
  for (const [mac, tile] of tiles) {
    if (wanted.has(mac)) continue;
    tile.dispose();
    tiles.delete(mac);
  }
  for (const [at, info] of message.tiles.entries()) {
    const tile = tiles.get(info.mac) ?? new Tile(info, editorLook(), actions, wall);
    tiles.set(info.mac, tile);
    tile.show(info);
    // Only what is out of place moves: a tile that moves loses the focus.
    const there = wall.children[at];
    if (there && there !== tile.element) wall.insertBefore(tile.element, there);
  }
}

function take(message: ToPage): void {
  if (message.type === 'tiles') return show(message);
  if (message.type === 'links') {
    asked.get(message.ask)?.(message.links);
    asked.delete(message.ask);
    return;
  }
  const taken = (): void => vscode.postMessage({ type: 'taken', batch: message.batch });
  const tile = tiles.get(message.mac);
  if (tile) tile.write(message.text, taken);
  else taken();
}

onLookChange(() => {
  const look = editorLook();
  for (const tile of tiles.values()) tile.wear(look);
});
window.addEventListener('message', ({ data }: MessageEvent<unknown>) => take(ToPage.parse(data)));
vscode.postMessage({ type: 'ready' });
