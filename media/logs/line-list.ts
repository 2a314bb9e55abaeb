// Rows of the lines that are in sight: however many are held, the page has some dozens.
import type { Line, Place } from '../../extension/logs/messages.ts';
import type { LogLines } from './lines.ts';
import { shortTime } from './time.ts';

/** px; also in the style */
const ROW = 20;
/** rows above and below what is in sight */
const SPARE = 20;

export class LineList {
  readonly #lines: LogLines;
  readonly #scroll: HTMLElement;
  readonly #content: HTMLElement;
  readonly #onActive: (line: Line | undefined) => void;
  #active: Place | undefined;
  /** what stays where it is when lines come above it: the first in sight, and how far it is scrolled out, px */
  #anchor: { place: Place; offset: number } | undefined;
  isFollowing = true;

  constructor(
    lines: LogLines,
    { scroll, content }: { scroll: HTMLElement; content: HTMLElement },
    onActive: (line: Line | undefined) => void,
  ) {
    this.#lines = lines;
    this.#scroll = scroll;
    this.#content = content;
    this.#onActive = onActive;
  }

  get isNearStart(): boolean {
    return this.#scroll.scrollTop < this.#scroll.clientHeight;
  }
  get isNearEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < clientHeight;
  }
  get isAtEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < ROW;
  }
  get active(): Line | undefined {
    return this.#active && this.#lines.all[this.#indexOfActive()];
  }
  /** rows in sight */
  get height(): number {
    return Math.max(1, Math.floor(this.#scroll.clientHeight / ROW) - 1);
  }

  /** Somebody has scrolled. */
  scrolled(): void {
    this.isFollowing = this.#lines.isAtEnd && this.isAtEnd;
    this.#remember();
    this.#draw();
  }

  /** There are other lines. */
  update(): void {
    this.#content.style.height = `${this.#lines.all.length * ROW}px`;
    if (this.isFollowing) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    else if (this.#anchor) {
      this.#scroll.scrollTop = this.#lines.indexOf(this.#anchor.place) * ROW + this.#anchor.offset;
    }
    this.#remember();
    this.#draw();
  }

  /** Makes the line `by` rows further on the active one; from none, it is the first or last in sight. */
  move(by: number): void {
    const { all } = this.#lines;
    const inSight = Math.floor(this.#scroll.scrollTop / ROW) + (by < 0 ? this.height : 0);
    const from = this.#active ? this.#indexOfActive() + by : inSight;
    this.activate(all[Math.min(all.length - 1, Math.max(0, from))]);
  }

  activate(line: Line | undefined): void {
    this.#active = line && { time: line.time, id: line.id };
    this.#onActive(line);
    if (line) this.#bringInSight(this.#indexOfActive());
    this.#draw();
  }

  lineAt(target: EventTarget | null): Line | undefined {
    const row = target instanceof Element ? target.closest<HTMLElement>('.row') : null;
    return row ? this.#lines.all[Number(row.dataset.index)] : undefined;
  }

  #indexOfActive(): number {
    return this.#active ? this.#lines.indexOf(this.#active) : -1;
  }

  #bringInSight(index: number): void {
    const { scrollTop, clientHeight } = this.#scroll;
    if (index * ROW < scrollTop) this.#scroll.scrollTop = index * ROW;
    else if ((index + 1) * ROW > scrollTop + clientHeight) {
      this.#scroll.scrollTop = (index + 1) * ROW - clientHeight;
    }
  }

  #remember(): void {
    const { scrollTop } = this.#scroll;
    const line = this.#lines.all[Math.floor(scrollTop / ROW)];
    this.#anchor = line && { place: { time: line.time, id: line.id }, offset: scrollTop % ROW };
  }

  #draw(): void {
    const { scrollTop, clientHeight } = this.#scroll;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const last = Math.ceil((scrollTop + clientHeight) / ROW) + SPARE;
    const shown = this.#lines.all.slice(first, last);
    this.#content.replaceChildren(...shown.map((line, at) => this.#row(line, first + at)));
    const active = this.#content.querySelector('.active');
    if (active) this.#scroll.setAttribute('aria-activedescendant', active.id);
    else this.#scroll.removeAttribute('aria-activedescendant');
  }

  #row({ time, id, issuer, stream, text }: Line, index: number): HTMLElement {
    const isActive = id === this.#active?.id;
    const row = document.createElement('div');
    row.className = isActive ? 'row active' : 'row';
    row.id = `line-${id}`;
    row.dataset.index = String(index);
    row.style.top = `${index * ROW}px`;
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', String(isActive));
    row.setAttribute('aria-posinset', String(index + 1));
    row.setAttribute('aria-setsize', String(this.#lines.all.length));
    row.append(part('time', shortTime(time)), part('source', `${issuer}.${stream}`), part('text', text));
    return row;
  }
}

function part(name: string, text: string): HTMLElement {
  const element = document.createElement('span');
  element.className = name;
  element.textContent = text;
  return element;
}
