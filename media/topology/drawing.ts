// The drawing itself, made anew only when a node, a network or a cable comes or goes: what is drawn keeps the focus.
import { BOX, type Drawn, layout, type PlacedBox, type PlacedLink, type PlacedNetwork } from './layout.ts';

const SVG = 'http://www.w3.org/2000/svg';
/** Characters of a line in a box. */
const LONGEST = 42;

export class Drawing {
  readonly element = svg('svg', { role: 'group', 'aria-label': 'Nodes and networks' });
  readonly #boxes = new Map<string, SVGGElement>();
  #shape = '';

  /** Draws it all, or only changes what is said. */
  show(drawn: Drawn): void {
    const shape = JSON.stringify([
      drawn.networks,
      drawn.boxes.map(({ mac }) => mac),
      drawn.links.map(({ mac, network }) => [mac, network]),
    ]);
    const placed = layout(drawn);
    if (shape !== this.#shape) {
      this.#shape = shape;
      const focused = this.focused;
      this.element.setAttribute('width', String(placed.width));
      this.element.setAttribute('height', String(placed.height));
      this.element.replaceChildren(
        ...placed.networks.map(networkShape),
        ...placed.links.map(linkShape),
        ...placed.boxes.map((box) => this.#boxShape(box)),
      );
      for (const mac of [...this.#boxes.keys()])
        if (!drawn.boxes.some((box) => box.mac === mac)) this.#boxes.delete(mac);
      if (focused !== undefined) this.#boxes.get(focused)?.focus();
    }
    for (const { box } of placed.boxes) this.#say(box);
    const lines = this.element.querySelectorAll('.link');
    for (const [at, { link }] of placed.links.entries()) sayLink(lines[at], link);
  }

  /** Marks the node with this MAC; empty: none. */
  select(mac: string): void {
    for (const [of, group] of this.#boxes) {
      if (of !== '') group.setAttribute('aria-pressed', String(of === mac));
    }
  }

  focus(mac: string): void {
    this.#boxes.get(mac)?.focus();
  }

  /** The box that has the focus, or that something happened in. */
  get focused(): string | undefined {
    return boxOf(document.activeElement);
  }

  #boxShape({ box: { mac }, x, y }: PlacedBox): SVGGElement {
    const group =
      this.#boxes.get(mac) ?? svg('g', { class: 'box', tabindex: '0', role: mac === '' ? 'img' : 'button' });
    this.#boxes.set(mac, group);
    group.dataset.mac = mac;
    group.setAttribute('transform', `translate(${x} ${y})`);
    const { width, height } = BOX;
    group.replaceChildren(
      svg('rect', { width: String(width), height: String(height), rx: '4' }),
      svg('circle', { class: 'dot', cx: '15', cy: '16', r: '5' }),
      svg('text', { class: 'name', x: '28', y: '20' }),
      svg('text', { class: 'state', x: String(width - 10), y: '20', 'text-anchor': 'end' }),
      svg('text', { class: 'about', x: '28', y: '37' }),
    );
    return group;
  }

  #say({ mac, name, state, detail, about }: Drawn['boxes'][number]): void {
    const group = this.#boxes.get(mac);
    if (!group) return;
    group.dataset.state = state;
    group.setAttribute('aria-label', [name, state, detail, about].filter((part) => part !== '').join(', '));
    const isShort = state === 'booting' && detail !== '' && detail.length <= 14;
    setText(group, '.name', shortened(name, 20));
    setText(group, '.state', isShort ? `${state}, ${detail}` : state);
    setText(group, '.about', shortened(about, LONGEST));
  }
}

/** The MAC of the box around something. */
export function boxOf(target: EventTarget | null): string | undefined {
  const group = target instanceof Element ? target.closest('.box') : null;
  return group instanceof SVGElement ? group.dataset.mac : undefined;
}

function networkShape({ name, x, top, bottom }: PlacedNetwork): SVGGElement {
  const group = svg('g', { class: 'network' });
  const title = svg('text', { x: String(x), y: String(top - 8), 'text-anchor': 'middle' });
  title.textContent = name;
  const place = { x1: String(x), x2: String(x), y1: String(top), y2: String(bottom) };
  group.append(title, svg('line', place));
  return group;
}

function linkShape({ from, to, y, textX }: PlacedLink): SVGGElement {
  const group = svg('g', { class: 'link' });
  group.append(
    svg('line', { x1: String(from), x2: String(to), y1: String(y), y2: String(y) }),
    svg('circle', { cx: String(to), cy: String(y), r: '4' }),
    svg('text', { x: String(textX), y: String(y - 4) }),
  );
  return group;
}

function sayLink(group: Element | undefined, link: Drawn['links'][number]): void {
  if (!group) return;
  group.classList.toggle('down', !link.isUp);
  group.classList.toggle('busy', link.isBusy);
  const said = [link.isUp ? link.traffic : 'no cable', link.restrictions];
  setText(group, 'text', said.filter((part) => part !== '').join(', '));
}

function setText(group: Element, selector: string, text: string): void {
  const element = group.querySelector(selector);
  if (element && element.textContent !== text) element.textContent = text;
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Record<string, string>,
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
