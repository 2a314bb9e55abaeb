import type { Field } from '../../extension/nodes/settings/messages.ts';

const MIXED = 'mixed';

/** One line of the form: name, description, control, Reset, and the sentence that says what is wrong. */
export class FieldRow {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement | HTMLSelectElement;
  readonly #reset: HTMLButtonElement;
  readonly #problem: HTMLElement;
  #field: Field;
  /** what the user made of it; undefined while that is what the nodes have */
  #edit: string | undefined;

  constructor(field: Field, edit: string | undefined, changed: () => void) {
    this.#field = field;
    const id = `setting-${field.name}`;
    this.#input = field.control === 'choice' ? choice(field) : text(field, id);
    this.#input.id = id;
    this.#input.setAttribute('aria-describedby', `${id}-about ${id}-problem`);
    this.#problem = make('p', { id: `${id}-problem`, className: 'problem' });
    this.#problem.setAttribute('aria-live', 'polite');
    this.#reset = make('button', { type: 'button', textContent: 'Reset to Default' });
    this.#reset.setAttribute('aria-label', `Reset ${field.name} to its default, ${field.defaultValue}`);
    this.#reset.title = `Default: ${field.defaultValue}`;
    this.element = this.#build(id);
    if (edit !== undefined && edit !== field.value) this.#edit = edit;
    this.#draw();
    this.#input.addEventListener('input', () => {
      this.#take(this.#input.value);
      changed();
    });
    this.#reset.addEventListener('click', () => {
      this.#take(this.#field.defaultValue);
      this.#draw();
      this.#input.focus();
      changed();
    });
  }

  get name(): string {
    return this.#field.name;
  }
  get edit(): string | undefined {
    return this.#edit;
  }
  /** Rows of the same shape can take each other's values. */
  get shape(): string {
    return shapeOf(this.#field);
  }

  /** The nodes have changed; what the user has edited stays. */
  update(field: Field): void {
    this.#field = field;
    if (this.#edit === field.value) this.#edit = undefined;
    this.#draw();
  }

  /** What the nodes have now is what the user wanted. */
  saved(value: string): void {
    if (this.#edit === value) this.#edit = undefined;
    this.#field = { ...this.#field, value };
    this.#draw();
  }

  showProblem(sentence: string): void {
    if (this.#problem.textContent !== sentence) this.#problem.textContent = sentence;
    this.#input.setAttribute('aria-invalid', String(sentence !== ''));
  }

  focus(): void {
    this.#input.focus();
  }

  #take(value: string): void {
    this.#edit = value === this.#field.value ? undefined : value;
    this.#mark();
  }

  #draw(): void {
    const value = this.#edit ?? this.#field.value;
    if (value === null && this.#input instanceof HTMLSelectElement) this.#input.selectedIndex = 0;
    else if (this.#input.value !== (value ?? '')) this.#input.value = value ?? '';
    if (this.#input instanceof HTMLInputElement)
      this.#input.placeholder = this.#field.value === null ? MIXED : '';
    this.#mark();
  }

  #mark(): void {
    this.element.classList.toggle('edited', this.#edit !== undefined);
    this.#reset.disabled = (this.#edit ?? this.#field.value) === this.#field.defaultValue;
  }

  #build(id: string): HTMLElement {
    const { name, description, needsReboot } = this.#field;
    const label = make('label', { htmlFor: id, textContent: name });
    const note = make('span', { className: 'note', textContent: 'needs a reboot' });
    const head = make('div', { className: 'head' });
    head.append(label, ...(needsReboot ? [note] : []));
    const about = make('p', { id: `${id}-about`, className: 'about', textContent: description });
    if (needsReboot) about.append(make('span', { className: 'spoken', textContent: '; needs a reboot' }));
    // The control's description says it to a screen reader.
    note.setAttribute('aria-hidden', 'true');
    const control = make('div', { className: 'control' });
    control.append(this.#input, this.#reset);
    const row = make('div', { className: 'field' });
    row.append(head, about, control, this.#problem);
    if (this.#input instanceof HTMLInputElement) row.append(suggestions(this.#field, `${id}-list`));
    return row;
  }
}

/** All of a field that is drawn once. */
export function shapeOf(field: Field): string {
  return JSON.stringify({ ...field, value: null });
}

/** Whatever the nodes differ in has an entry for that, which goes away once something is chosen. */
function choice(field: Field): HTMLSelectElement {
  const select = make('select', {});
  const mixed = make('option', { value: '', textContent: MIXED, hidden: true });
  const options = field.options.map((value) => make('option', { value, textContent: value }));
  select.append(mixed, ...options);
  return select;
}

function text({ numeric }: Field, id: string): HTMLInputElement {
  const input = make('input', { type: 'text', autocomplete: 'off', spellcheck: false });
  input.setAttribute('list', `${id}-list`);
  if (numeric) input.inputMode = 'numeric';
  return input;
}

function suggestions({ options }: Field, id: string): HTMLDataListElement {
  const list = make('datalist', { id });
  list.append(...options.map((value) => make('option', { value })));
  return list;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(tag), properties);
}
