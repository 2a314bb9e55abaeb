// The rows of a boot: each stage with the steps in it, and their bars on one scale.
import type { Stage, Step, ToPage } from '../../extension/timeline/messages.ts';
import { seconds } from './scale.ts';

export interface Row {
  readonly element: HTMLElement;
  /** its stage, which hides it when that is closed */
  readonly stage: string;
  /** index in the boot's steps; undefined: the row of a stage */
  readonly step: number | undefined;
  readonly canOpen: boolean;
  /** one line about it */
  readonly details: string;
  /** the element as it was made */
  readonly html: string;
}

export function rowsOf({ stages, steps, totalMs, other }: ToPage): Row[] {
  // Another boot may have taken longer: both are on one scale.
  const wholeMs = Math.max(totalMs, other?.totalMs ?? 0, 1);
  const numbered = steps.map((step, index) => ({ step, index }));
  return stages.flatMap((stage) => [
    stageRow(
      stage,
      other?.stages.find(({ name }) => name === stage.name),
      wholeMs,
    ),
    ...numbered
      .filter(({ step }) => step.stage === stage.name)
      .map(({ step, index }) => stepRow(step, index, wholeMs)),
  ]);
}

function stageRow(stage: Stage, other: Stage | undefined, wholeMs: number): Row {
  const { name, startMs, durationMs, detail } = stage;
  const difference = other === undefined ? '' : `, ${signed(durationMs - other.durationMs)}`;
  const took = `${seconds(durationMs)}${difference}`;
  const element = row('stage', name, took, [bar(stage, wholeMs, 'stage-bar')], end(stage, wholeMs));
  element.setAttribute('aria-level', '1');
  element.setAttribute('aria-expanded', 'true');
  if (other) element.querySelector('.track')?.append(bar(other, wholeMs, 'other'));
  const details = `${name}: ${took} from ${seconds(startMs)}${detail && `; ${detail}`}`;
  return finish(element, { stage: name, step: undefined, canOpen: false, details });
}

function stepRow(step: Step, index: number, wholeMs: number): Row {
  const { kind, name, startMs, durationMs, detail, isFault, canOpen, stage } = step;
  const took = durationMs === 0 ? '' : seconds(durationMs);
  const element = row('step', name, took, [bar(step, wholeMs, kind)], end(step, wholeMs));
  element.setAttribute('aria-level', '2');
  element.classList.toggle('leads', canOpen);
  if (isFault) for (const part of [element, ...element.querySelectorAll('.bar')]) part.classList.add('fault');
  const parts = [`at ${seconds(startMs)}`, took && `took ${took}`, detail];
  return finish(element, {
    stage,
    step: index,
    canOpen,
    details: `${name}: ${parts.filter((part) => part !== '').join(', ')}`,
  });
}

function finish(element: HTMLElement, about: Omit<Row, 'element' | 'html'>): Row {
  element.title = about.details;
  element.setAttribute('aria-label', about.details);
  return { element, html: element.outerHTML, ...about };
}

function row(kind: string, name: string, took: string, bars: HTMLElement[], endShare: string): HTMLElement {
  const element = part(`row ${kind}`);
  element.setAttribute('role', 'treeitem');
  element.tabIndex = -1;
  const track = part('track');
  const label = part('took', took);
  label.style.left = endShare;
  track.append(...bars, label);
  element.append(part('name', name), track);
  return element;
}

function bar({ startMs, durationMs }: Span, wholeMs: number, kind: string): HTMLElement {
  const element = part(`bar ${kind}`);
  element.style.left = share(startMs, wholeMs);
  element.style.width = share(durationMs, wholeMs);
  return element;
}

interface Span {
  startMs: number;
  durationMs: number;
}
const end = ({ startMs, durationMs }: Span, wholeMs: number): string => share(startMs + durationMs, wholeMs);
const share = (ms: number, wholeMs: number): string => `${(ms / wholeMs) * 100}%`;
const signed = (ms: number): string => `${ms < 0 ? '−' : '+'}${seconds(Math.abs(ms))}`;

function part(names: string, text = ''): HTMLElement {
  const element = document.createElement('div');
  element.className = names;
  element.textContent = text;
  return element;
}
