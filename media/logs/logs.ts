// The page of a log view. Lines come from the extension; the page keeps what was typed and chosen.
import {
  type Choice,
  type FromPage,
  type Line,
  PageState,
  type Query,
  ToPage,
} from '../../extension/logs/messages.ts';
import { element } from '../page.ts';
import { LineList } from './line-list.ts';
import { LogLines } from './lines.ts';
import { rangeOf, shortTime } from './time.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(state: PageState): void;
};

const TYPING_MS = 300;
const RANGES: readonly (readonly [string, string])[] = [
  ['all', 'any'],
  ['300', 'last 5 minutes'],
  ['3600', 'last hour'],
  ['86400', 'last day'],
  ['between', 'between...'],
];
const EVERYTHING: Choice = {
  issuers: 'all-nodes,server',
  streams: '',
  search: '',
  range: 'all',
  from: '',
  to: '',
};
const vscode = acquireVsCodeApi();

const issuers = element('issuers', HTMLInputElement);
const streams = element('streams', HTMLInputElement);
const search = element('search', HTMLInputElement);
const range = element('range', HTMLSelectElement);
const from = element('from', HTMLInputElement);
const to = element('to', HTMLInputElement);
const follow = element('follow', HTMLButtonElement);
const notice = element('notice', HTMLElement);
const state = element('state', HTMLElement);
const details = element('details', HTMLElement);
const scroll = element('scroll', HTMLElement);

const lines = new LogLines();
const list = new LineList(lines, { scroll, content: element('lines', HTMLElement) }, showDetails);
let about: { mac: string; node: string } = { mac: '', node: '' };
let checkpoints: Extract<ToPage, { type: 'choices' }>['checkpoints'] = [];
let run = 0;
let query: Query | undefined;
/** what is being read */
const reading = new Set<'older' | 'newer'>();
let labNotice = '';
let problem = '';
let timer: number | undefined;

function showDetails(line: Line | undefined): void {
  details.textContent = line ? `${shortTime(line.time)} ${line.issuer}.${line.stream}: ${line.text}` : '';
}

function choice(): Choice {
  return {
    issuers: issuers.value,
    streams: streams.value,
    search: search.value,
    range: range.value,
    from: from.value,
    to: to.value,
  };
}

function setChoice(chosen: Choice): void {
  issuers.value = chosen.issuers;
  streams.value = chosen.streams;
  search.value = chosen.search;
  from.value = chosen.from;
  to.value = chosen.to;
  // A checkpoint that is kept here may not be known yet.
  if (![...range.options].some(({ value }) => value === chosen.range)) {
    range.append(new Option(chosen.range, chosen.range));
  }
  range.value = chosen.range;
}

/** Looks anew for what is chosen. */
function ask(): void {
  clearTimeout(timer);
  timer = undefined;
  element('between', HTMLElement).hidden = range.value !== 'between';
  vscode.setState({ ...about, choice: choice() });
  const { issuers: names, streams: names2, search: text } = choice();
  query = { issuers: names, streams: names2, search: text, ...rangeOf(choice(), checkpoints) };
  run++;
  problem = '';
  lines.clear();
  list.isFollowing = true;
  list.activate(undefined);
  reading.clear();
  reading.add('older');
  vscode.postMessage({ type: 'query', run, query });
  update();
}

function askSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(ask, TYPING_MS);
}

function more(direction: 'older' | 'newer'): void {
  const after = direction === 'older' ? lines.oldest : lines.all.at(-1);
  if (!after || reading.size > 0) return;
  reading.add(direction);
  if (direction === 'newer') lines.beginNewer();
  vscode.postMessage({ type: 'more', run, from: direction, after: { time: after.time, id: after.id } });
}

function update(): void {
  list.update();
  notice.textContent = labNotice || problem;
  notice.classList.toggle('fault', labNotice === '' && problem !== '');
  follow.setAttribute('aria-pressed', String(list.isFollowing && query?.to === undefined));
  follow.disabled = query?.to !== undefined;
  state.textContent = stateText();
}

function stateText(): string {
  const held = lines.all.length;
  const count = `${held.toLocaleString('en-US')} ${held === 1 ? 'line' : 'lines'}`;
  const isFiltered = query !== undefined && (query.search !== '' || query.streams !== '');
  if (labNotice !== '' || problem !== '') return '';
  if (reading.size > 0) return `${isFiltered ? 'Searching' : 'Reading'}... ${count}`;
  if (held > 0) return `${count}${lines.isAtStart ? '' : ' (scroll up for older ones)'}`;
  if (isFiltered || query?.from !== undefined) return 'No line matches.';
  return 'Nothing has been logged yet. A node logs by walt-log-echo, walt-log-cat and walt-log-tee.';
}

function showChoices(message: Extract<ToPage, { type: 'choices' }>): void {
  element('title', HTMLElement).textContent = message.title;
  element('issuer-field', HTMLElement).hidden = message.mac !== '';
  ({ checkpoints } = message);
  about = { mac: message.mac, node: message.node };
  options(element('issuer-list', HTMLDataListElement), message.issuers);
  options(
    element('stream-list', HTMLDataListElement),
    message.streams.map((name) => `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
  );
  const chosen = range.value;
  const since = checkpoints.map(({ name }) => [`checkpoint ${name}`, `since ${name}`] as const);
  const choices = [...RANGES.slice(0, -1), ...since, ...RANGES.slice(-1)];
  if (
    choices.length !== range.options.length ||
    choices.some(([value], at) => range.options[at]?.value !== value)
  ) {
    range.replaceChildren(...choices.map(([value, label]) => new Option(label, value)));
    range.value = choices.some(([value]) => value === chosen) ? chosen : 'all';
  }
  labNotice = message.notice;
  if (run === 0) ask();
  else update();
}

function options(into: HTMLDataListElement, values: readonly string[]): void {
  into.replaceChildren(...values.map((value) => new Option(value, value)));
}

function take(message: ToPage): void {
  if (message.type === 'choices') return showChoices(message);
  if (message.type === 'again') return ask();
  if (message.type === 'lines') vscode.postMessage({ type: 'taken', batch: message.batch });
  if (message.run !== run) return;
  switch (message.type) {
    case 'lines':
      if (message.from === 'older') lines.addOlder(message.lines);
      else if (message.from === 'newer') lines.addNewer(message.lines);
      else lines.addLive(message.lines, list.isFollowing);
      break;
    case 'read':
      reading.delete(message.from);
      lines.end(message.from, message.isAll);
      break;
    case 'problem':
      problem = message.sentence;
      reading.clear();
  }
  update();
  look();
}

/** Reads on where somebody has scrolled near an end of what is held. */
function look(): void {
  if (labNotice !== '' || problem !== '') return;
  if (list.isNearStart && !lines.isAtStart) more('older');
  else if (list.isNearEnd && !lines.isAtEnd) more('newer');
}

function toEnd(): void {
  if (!lines.isAtEnd) return ask();
  list.isFollowing = true;
  update();
}

function onKey(event: KeyboardEvent): void {
  const copy = event.key === 'c' && (event.ctrlKey || event.metaKey) && String(getSelection()) === '';
  const actions: Record<string, () => void> = {
    ArrowDown: () => list.move(1),
    ArrowUp: () => list.move(-1),
    PageDown: () => list.move(list.height),
    PageUp: () => list.move(-list.height),
    Home: () => list.activate(lines.all[0]),
    End: toEnd,
    f: toggleFollow,
    '/': () => search.focus(),
    Escape: () => list.activate(undefined),
  };
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const action = copy ? copyActive : isPlain ? actions[event.key] : undefined;
  if (!action) return;
  event.preventDefault();
  action();
}

function copyActive(): void {
  if (list.active) vscode.postMessage({ type: 'copy', text: list.active.text });
}

function toggleFollow(): void {
  if (!list.isFollowing) return toEnd();
  list.isFollowing = false;
  update();
}

for (const [value, label] of RANGES) range.append(new Option(label, value));
setChoice(PageState.safeParse(vscode.getState()).data?.choice ?? EVERYTHING);
for (const input of [issuers, streams, search]) input.addEventListener('input', askSoon);
for (const input of [range, from, to]) input.addEventListener('change', ask);
search.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown') scroll.focus();
});
follow.addEventListener('click', toggleFollow);
element('clear', HTMLButtonElement).addEventListener('click', () => {
  setChoice(EVERYTHING);
  ask();
});
element('export', HTMLButtonElement).addEventListener('click', () => {
  if (query) vscode.postMessage({ type: 'export', query });
});
scroll.addEventListener('scroll', () => {
  list.scrolled();
  follow.setAttribute('aria-pressed', String(list.isFollowing && query?.to === undefined));
  look();
});
scroll.addEventListener('keydown', onKey);
scroll.addEventListener('click', (event) => list.activate(list.lineAt(event.target)));
new ResizeObserver(() => list.update()).observe(scroll);
window.addEventListener('message', ({ data }: MessageEvent<unknown>) => take(ToPage.parse(data)));
vscode.postMessage({ type: 'ready' });
