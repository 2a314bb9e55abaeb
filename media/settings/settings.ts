// The settings form's page. What it shows, what is wrong and what was saved come from the extension; it keeps only what
// the user has edited.
import {
  PageState,
  ToPage,
  type Field,
  type FromPage,
  type Values,
} from '../../extension/nodes/settings/messages.ts';
import { element } from '../page.ts';
import { FieldRow, shapeOf } from './field-row.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(state: PageState): void;
};

const TYPING_MS = 200;
const vscode = acquireVsCodeApi();

const form = element('form', HTMLFormElement);
const fields = element('fields', HTMLFieldSetElement);
const save = element('save', HTMLButtonElement);
const reboot = element('reboot', HTMLButtonElement);
const notice = element('notice', HTMLElement);
const outcome = element('outcome', HTMLElement);

let rows: FieldRow[] = [];
let macs: string[] = [];
/** from before the page was hidden or its window loaded again, until there are rows for it */
let kept: Values = PageState.safeParse(vscode.getState()).data?.edits ?? {};
let lastCheck = 0;
let timer: number | undefined;

function edits(): Values {
  return Object.fromEntries(rows.flatMap(({ name, edit }) => (edit === undefined ? [] : [[name, edit]])));
}

/** Something was edited: it is kept, and checked when the typing pauses. */
function edited(): void {
  vscode.setState({ macs, edits: edits() });
  say('');
  checkSoon(TYPING_MS);
}

function checkSoon(delayMs: number): void {
  save.disabled = true;
  lastCheck++;
  clearTimeout(timer);
  timer = setTimeout(() => {
    const values = edits();
    if (Object.keys(values).length === 0) showProblems({});
    else vscode.postMessage({ type: 'check', check: lastCheck, values });
  }, delayMs);
}

function showProblems(problems: Values): void {
  for (const row of rows) row.showProblem(problems[row.name] ?? '');
  const wrong = Object.keys(problems).length > 0;
  save.disabled = wrong || fields.disabled || Object.keys(edits()).length === 0;
}

function show(message: Extract<ToPage, { type: 'show' }>): void {
  element('title', HTMLElement).textContent = message.title;
  notice.textContent = message.notice;
  fields.disabled = message.notice !== '';
  ({ macs } = message);
  // While there is no daemon to ask, what was known stays on show.
  if (message.fields.length > 0) fill(message.fields);
  if (rows.length > 0) vscode.setState({ macs, edits: edits() });
  else vscode.setState({ macs, edits: kept });
  checkSoon(0);
}

function fill(shown: Field[]): void {
  const same = rows.length === shown.length && shown.every((field, at) => rows[at]?.shape === shapeOf(field));
  if (same) {
    for (const [at, field] of shown.entries()) rows[at]?.update(field);
    return;
  }
  const known = { ...kept, ...edits() };
  kept = {};
  rows = shown.map((field) => new FieldRow(field, known[field.name], edited));
  fields.replaceChildren(...rows.map((row) => row.element));
}

function say(text: string, { isError = false, offerReboot = false } = {}): void {
  outcome.textContent = text;
  outcome.classList.toggle('problem', isError);
  reboot.hidden = !offerReboot;
}

function submit(): void {
  if (save.disabled) return;
  save.disabled = true;
  clearTimeout(timer);
  sent = edits();
  say('Saving...');
  vscode.postMessage({ type: 'save', values: sent });
}
let sent: Values = {};

function saved({ message, offerReboot }: Extract<ToPage, { type: 'saved' }>): void {
  for (const row of rows) {
    const value = sent[row.name];
    if (value !== undefined) row.saved(value);
  }
  vscode.setState({ macs, edits: edits() });
  say(message, { offerReboot });
  checkSoon(0);
}

function notSaved({ message, problems }: Extract<ToPage, { type: 'notSaved' }>): void {
  say(message, { isError: true });
  showProblems(problems);
  rows.find((row) => Object.hasOwn(problems, row.name))?.focus();
}

window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
  const message = ToPage.safeParse(data).data;
  switch (message?.type) {
    case 'show':
      return show(message);
    case 'problems':
      if (message.check === lastCheck) showProblems(message.problems);
      return;
    case 'saved':
      return saved(message);
    case 'notSaved':
      return notSaved(message);
    default:
  }
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
// As in an editor; VS Code has no document here to save.
window.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 's') return;
  event.preventDefault();
  submit();
});
reboot.addEventListener('click', () => {
  say('');
  save.focus();
  vscode.postMessage({ type: 'reboot' });
});
vscode.postMessage({ type: 'ready' });
