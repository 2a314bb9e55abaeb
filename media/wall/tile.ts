import { type ILink, Terminal } from '@xterm/xterm';
import type { Link, TileInfo } from '../../extension/wall/messages.ts';
import { fit } from './fit.ts';
import { type Line, lineThrough, rangeOf } from './links.ts';
import { type Look, measure } from './theme.ts';

const SCROLLBACK = 2000;

export interface TileActions {
  /** keys that somebody has pressed in the tile */
  input(mac: string, text: string): void;
  open(mac: string): void;
  /** `found` gets what leads somewhere in a line */
  find(mac: string, line: string, found: (links: Link[]) => void): void;
  follow(mac: string, line: string, start: number): void;
}

/** One console: a heading with the node's state, and its terminal. The tile has the focus, or the terminal in it. */
export class Tile {
  readonly element = document.createElement('section');
  readonly #heading = document.createElement('h2');
  readonly #screen = document.createElement('div');
  readonly #terminal: Terminal;
  readonly #resizes = new ResizeObserver(() => this.#fit());
  #look: Look;

  /** The terminal measures itself, so the tile is put `into` the page at once. */
  constructor(info: TileInfo, look: Look, actions: TileActions, into: HTMLElement) {
    const { mac } = info;
    this.#look = look;
    this.element.className = 'tile';
    this.element.tabIndex = 0;
    this.element.setAttribute('role', 'group');
    this.element.setAttribute('aria-describedby', 'help');
    this.#screen.className = 'screen';
    this.element.append(this.#heading, this.#screen);
    into.append(this.element);
    this.#terminal = new Terminal({ ...options(look), scrollback: SCROLLBACK });
    this.#terminal.open(this.#screen);
    // The tab key goes from tile to tile; in the terminal it is the node's.
    if (this.#terminal.textarea) this.#terminal.textarea.tabIndex = -1;
    // A terminal also answers questions of the node. One that nobody types into does not: others may show the same line.
    this.#terminal.onData((text) => {
      if (this.#isTyping) actions.input(mac, text);
    });
    this.#terminal.attachCustomKeyEventHandler((event) => this.#isForNode(event));
    this.#terminal.registerLinkProvider({
      provideLinks: (row, answer) => {
        const line = lineThrough(this.#terminal.buffer.active, row);
        actions.find(mac, line.text, (links) => {
          const follow = (start: number): void => actions.follow(mac, line.text, start);
          answer(links.flatMap((link) => this.#linkOf(link, line, follow) ?? []));
        });
      },
    });
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
    this.element.addEventListener('click', () => this.#terminal.focus());
    this.element.addEventListener('dblclick', () => actions.open(mac));
    this.#resizes.observe(this.#screen);
    this.show(info);
  }

  show({ name, state, detail }: TileInfo): void {
    this.element.dataset.state = state;
    this.element.setAttribute('aria-label', [name, state, detail].filter((part) => part !== '').join(', '));
    this.#heading.replaceChildren(
      part('name', name),
      part('dot', ''),
      part('state', state),
      part('detail', detail),
    );
    this.#heading.title = detail;
  }

  /** `taken` is called when the text is on show. */
  write(text: string, taken: () => void): void {
    this.#terminal.write(text, taken);
  }

  wear(look: Look): void {
    this.#look = look;
    this.#terminal.options = options(look);
    this.#fit();
  }

  dispose(): void {
    this.#resizes.disconnect();
    this.#terminal.dispose();
    this.element.remove();
  }

  #linkOf(link: Link, line: Line, follow: (start: number) => void): ILink | undefined {
    const range = rangeOf(line, link);
    return (
      range && {
        range,
        text: line.text.slice(link.start, link.start + link.length),
        // A plain click is for who types.
        activate: ({ ctrlKey, metaKey }) => {
          if (ctrlKey || metaKey) follow(link.start);
        },
        hover: () => (this.#screen.title = `${link.tooltip} (Ctrl + click)`),
        leave: () => (this.#screen.title = ''),
      }
    );
  }

  get #isTyping(): boolean {
    return document.activeElement === this.#terminal.textarea;
  }

  #isForNode(event: KeyboardEvent): boolean {
    const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    if (event.key !== 'Escape' || !isPlain || event.isComposing) return true;
    event.preventDefault();
    if (event.type === 'keydown') this.element.focus();
    return false;
  }

  #onKey(event: KeyboardEvent): void {
    if (event.target !== this.element || event.key !== 'Enter') return;
    event.preventDefault();
    this.#terminal.focus();
  }

  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#screen;
    if (width === 0 || height === 0) return;
    const { fontSize, columns, rows } = fit(
      { width, height },
      measure(this.#look.fontFamily),
      this.#look.fontSize,
    );
    this.#terminal.options.fontSize = fontSize;
    this.#terminal.resize(columns, rows);
  }
}

function options({ theme, fontFamily }: Look): { theme: Look['theme']; fontFamily: string } {
  return { theme, fontFamily };
}

function part(name: string, text: string): HTMLElement {
  const element = document.createElement('span');
  element.className = name;
  element.textContent = text;
  return element;
}
