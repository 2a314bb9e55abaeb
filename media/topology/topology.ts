// The page of the lab's topology. What it draws comes from the extension; it keeps which node is selected.
import { type Action, type FromPage, PageState, ToPage } from '../../extension/topology/messages.ts';
import { element } from '../page.ts';
import { boxOf, Drawing } from './drawing.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(state: PageState): void;
};

/** Those that a node has whatever its state is come first. */
const ACTIONS: readonly { action: Action; label: string; states?: readonly string[] }[] = [
  { action: 'console', label: 'Console' },
  { action: 'timeline', label: 'Timeline' },
  { action: 'config', label: 'Settings' },
  { action: 'shell', label: 'Shell', states: ['booted'] },
  { action: 'boot', label: 'Boot', states: ['off', 'failed'] },
];
const vscode = acquireVsCodeApi();
const details = element('details', HTMLElement);
const actions = element('actions', HTMLElement);
const drawing = new Drawing();
element('scroll', HTMLElement).append(drawing.element);

let shown: ToPage | undefined;
let selected = PageState.safeParse(vscode.getState()).data?.selected ?? '';

function show(message: ToPage): void {
  shown = message;
  element('notice', HTMLElement).textContent = message.notice;
  drawing.show(message);
  drawing.select(selected);
  describe();
}

function select(mac: string): void {
  selected = mac;
  vscode.setState({ selected });
  drawing.select(mac);
  describe();
}

/** What is selected, with what can be done there. */
function describe(): void {
  const box = shown?.boxes.find(({ mac }) => mac !== '' && mac === selected);
  const said = box && [box.name, box.state, box.detail, box.about].filter((part) => part !== '').join(' · ');
  const hint = shown?.boxes.length
    ? 'Click a node, or Tab to it and press Enter, to see what to do there.'
    : '';
  const text = said ?? hint;
  if (details.textContent !== text) details.textContent = text;
  actions.hidden = !box;
  const offered = ACTIONS.filter(({ states }) => box && (states === undefined || states.includes(box.state)));
  const key = offered.map(({ action }) => action).join();
  if (actions.dataset.offered === key) return;
  actions.dataset.offered = key;
  actions.replaceChildren(
    ...offered.map(({ action, label }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = label;
      button.addEventListener('click', () => vscode.postMessage({ type: 'run', mac: selected, action }));
      return button;
    }),
  );
}

function onKey(event: KeyboardEvent): void {
  const mac = drawing.focused;
  if (mac === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const macs = shown?.boxes.map((box) => box.mac) ?? [];
  const at = macs.indexOf(mac);
  const to: Record<string, string | undefined> = {
    ArrowDown: macs[at + 1],
    ArrowUp: macs[at - 1],
    Home: macs[0],
    End: macs.at(-1),
  };
  const next = to[event.key];
  if (next !== undefined) drawing.focus(next);
  else if (event.key === 'Enter' || event.key === ' ') select(mac);
  else return;
  event.preventDefault();
}

drawing.element.addEventListener('keydown', onKey);
drawing.element.addEventListener('click', ({ target }) => select(boxOf(target) ?? ''));
window.addEventListener('message', ({ data }: MessageEvent<unknown>) => show(ToPage.parse(data)));
vscode.postMessage({ type: 'ready' });
