// The page of a boot's timeline. What it shows comes from the extension; it keeps which boots were chosen, how far it is
// zoomed, and which stages are closed.
import { type FromPage, type PageState, ToPage } from '../../extension/timeline/messages.ts';
import { element } from '../page.ts';
import { type Row, rowsOf } from './rows.ts';
import { marks, seconds } from './scale.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  setState(state: PageState): void;
};

const MAX_ZOOM = 200;
/** room behind the last bar for its time, px */
const MARGIN = 130;
const vscode = acquireVsCodeApi();

const title = element('title', HTMLElement);
const notice = element('notice', HTMLElement);
const boot = element('boot', HTMLSelectElement);
const compare = element('compare', HTMLSelectElement);
const scroll = element('scroll', HTMLElement);
const ruler = element('ruler', HTMLElement);
const tree = element('rows', HTMLElement);
const details = element('details', HTMLElement);

let shown: ToPage | undefined;
let rows: Row[] = [];
let zoom = 1;
const closed = new Set<string>();

function show(message: ToPage): void {
  const focused = rows.findIndex((row) => row.element === document.activeElement);
  shown = message;
  title.textContent = message.title;
  notice.textContent = message.notice;
  notice.classList.toggle('fault', message.isFault);
  fill(
    boot,
    message.boots.map(({ number, label }) => [number, label] as const),
    message.number,
  );
  const others = message.boots.filter(({ number }) => number !== message.number);
  const choices = [[0, 'no other'] as const, ...others.map(({ number, label }) => [number, label] as const)];
  fill(compare, choices, message.other?.number ?? 0);
  vscode.setState({ mac: message.mac, boot: chosen(message.number), compare: message.other?.number ?? 0 });
  rows = kept(rows, rowsOf(message));
  // What has not changed stays: a click on it, or a key, may be under way.
  for (const [index, { element: row }] of rows.entries()) {
    const old = tree.children[index];
    row.tabIndex = -1;
    if (!old) tree.append(row);
    else if (old !== row) old.replaceWith(row);
  }
  while (tree.children.length > rows.length) tree.lastElementChild?.remove();
  hideClosed();
  scale();
  const first = rows[focused] ?? rows[0];
  if (first) first.element.tabIndex = 0;
  if (focused >= 0) first?.element.focus({ preventScroll: true });
}

/** Rows with the elements that show the same at the same place. */
function kept(shownRows: readonly Row[], next: readonly Row[]): Row[] {
  return next.map((row, index) => {
    const old = shownRows[index];
    return old?.html === row.html ? { ...row, element: old.element } : row;
  });
}

/** The last boot is followed: it is 0. */
function chosen(number: number): number {
  return number === shown?.boots[0]?.number ? 0 : number;
}

function fill(select: HTMLSelectElement, choices: (readonly [number, string])[], value: number): void {
  // A list that somebody has open is not made anew.
  const texts = choices.map(([number, label]) => `${number} ${label}`).join('\n');
  if (select.dataset.texts !== texts) {
    select.dataset.texts = texts;
    select.replaceChildren(...choices.map(([number, label]) => new Option(label, String(number))));
  }
  select.value = String(value);
  select.disabled = choices.length < 2;
}

function wholeMs(): number {
  return Math.max(shown?.totalMs ?? 0, shown?.other?.totalMs ?? 0, 1);
}

/** Sets the width of a boot by the zoom, and the marks above. */
function scale(): void {
  const names = tree.querySelector('.name')?.clientWidth ?? 300;
  const width = Math.max(100, scroll.clientWidth - names - MARGIN) * zoom;
  for (const { element: row } of rows) {
    const track = row.querySelector('.track');
    if (track instanceof HTMLElement) track.style.width = `${width}px`;
    row.style.width = `${names + width + MARGIN}px`;
  }
  const track = document.createElement('div');
  track.className = 'track';
  track.style.width = `${width}px`;
  for (const ms of shown?.stages.length ? marks(wholeMs(), zoom) : []) {
    const tick = document.createElement('div');
    tick.className = 'tick';
    tick.textContent = seconds(ms);
    tick.style.left = `${(ms / wholeMs()) * 100}%`;
    track.append(tick);
  }
  ruler.replaceChildren(track);
}

/** `at`: what stays where it is, px from the left of what is on show. */
function zoomTo(next: number, at = scroll.clientWidth / 2): void {
  const before = zoom;
  zoom = Math.min(MAX_ZOOM, Math.max(1, next));
  if (zoom === before) return;
  const names = tree.querySelector('.name')?.clientWidth ?? 300;
  const place = scroll.scrollLeft + at - names;
  scale();
  scroll.scrollLeft = place * (zoom / before) - at + names;
}

function hideClosed(): void {
  for (const { element: row, stage, step } of rows) {
    if (step === undefined) row.setAttribute('aria-expanded', String(!closed.has(stage)));
    else row.hidden = closed.has(stage);
  }
}

function setClosed(stage: string, isClosed: boolean): void {
  if (isClosed) closed.add(stage);
  else closed.delete(stage);
  hideClosed();
}

function focus(row: Row | undefined): void {
  if (!row) return;
  for (const { element: other } of rows) other.tabIndex = -1;
  row.element.tabIndex = 0;
  row.element.focus();
}

function activate(row: Row): void {
  if (row.step === undefined) setClosed(row.stage, !closed.has(row.stage));
  else if (row.canOpen) vscode.postMessage({ type: 'open', step: row.step });
}

function rowAt(target: EventTarget | null): Row | undefined {
  const found = target instanceof Element ? target.closest('.row') : null;
  return rows.find((row) => row.element === found);
}

function onKey(event: KeyboardEvent): void {
  const visible = rows.filter((row) => !row.element.hidden);
  const row = rowAt(event.target);
  const index = row ? visible.indexOf(row) : -1;
  const stageOf = (): Row | undefined =>
    rows.find(({ step, stage }) => step === undefined && stage === row?.stage);
  const actions: Record<string, () => void> = {
    ArrowDown: () => focus(visible[index + 1]),
    ArrowUp: () => focus(visible[index - 1]),
    Home: () => focus(visible[0]),
    End: () => focus(visible.at(-1)),
    ArrowRight: () => row && setClosed(row.stage, false),
    ArrowLeft: () => {
      if (row?.step === undefined) return row && setClosed(row.stage, true);
      return focus(stageOf());
    },
    Enter: () => row && activate(row),
    '+': () => zoomTo(zoom * 1.5),
    '=': () => zoomTo(zoom * 1.5),
    '-': () => zoomTo(zoom / 1.5),
    '0': () => zoomTo(1),
  };
  const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

const choose = (): void =>
  vscode.postMessage({ type: 'choose', boot: chosen(Number(boot.value)), compare: Number(compare.value) });
for (const select of [boot, compare]) select.addEventListener('change', choose);
element('in', HTMLButtonElement).addEventListener('click', () => zoomTo(zoom * 1.5));
element('out', HTMLButtonElement).addEventListener('click', () => zoomTo(zoom / 1.5));
element('fit', HTMLButtonElement).addEventListener('click', () => zoomTo(1));
element('text', HTMLButtonElement).addEventListener('click', () => vscode.postMessage({ type: 'text' }));
scroll.addEventListener('keydown', onKey);
scroll.addEventListener('focusin', (event) => (details.textContent = rowAt(event.target)?.details ?? ''));
scroll.addEventListener('mouseover', (event) => (details.textContent = rowAt(event.target)?.details ?? ''));
scroll.addEventListener('click', (event) => {
  const row = rowAt(event.target);
  if (!row) return;
  focus(row);
  activate(row);
});
scroll.addEventListener(
  'wheel',
  (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), event.clientX - scroll.getBoundingClientRect().left);
  },
  { passive: false },
);
new ResizeObserver(scale).observe(scroll);
window.addEventListener('message', ({ data }: MessageEvent<unknown>) => show(ToPage.parse(data)));
vscode.postMessage({ type: 'ready' });
