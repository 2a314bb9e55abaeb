import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToPage } from '../../extension/timeline/messages.ts';
import { FRAME } from '../../extension/timeline/page.ts';
import { repository } from '../support/lab.ts';
import { launchChromium } from '../workbench/workbench.ts';
import type { BenchRow } from './row.ts';

const EVENTS = 10_000;
const ROUNDS = 5;
const STAGES = ['firmware', 'dhcp', 'boot files', 'kernel', 'root', 'walt-init', 'init', 'booted'];

/** The timeline's page with ten thousand steps, beside a plain table of the same text in the same browser. */
export async function bench(): Promise<BenchRow[]> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    await page.setContent(html());
    // The editor's side of the page hears what the page says, and answers nothing.
    await page.addScriptTag({ content: `const shown = ${JSON.stringify(boot())};${IN_PAGE}` });
    await page.addScriptTag({ content: dist('timeline.js') });
    const timed = (change: string): Promise<number> =>
      median(() => page.evaluate<number>(`timed(${change})`));
    const ours = await timed('asPage');
    const shown = await page.locator('.row.step').count();
    if (shown !== EVENTS) throw new Error(`the page shows ${shown} steps`);
    const zoom = await timed('zoomIn');
    const peer = await timed('asTable');
    return [
      row(`timeline, ${EVENTS} steps`, ours, peer, 'a plain table of them'),
      row(`timeline, zoom with ${EVENTS} steps`, zoom, peer, 'a plain table of them'),
    ];
  } finally {
    await browser.close();
  }
}

const dist = (name: string): string => readFileSync(join(repository, 'dist/webview', name), 'utf8');

function html(): string {
  return `<!DOCTYPE html><html><head><style>${dist('timeline.css')}</style></head><body>${FRAME}<div id="peer"></div></body></html>`;
}

function boot(): ToPage {
  const stages = STAGES.map((name, at) => ({ name, startMs: at * 1000, durationMs: 1000, detail: name }));
  const steps = Array.from({ length: EVENTS }, (_, at) => ({
    kind: 'console',
    stage: STAGES[Math.floor((at * STAGES.length) / EVENTS)] ?? '',
    name: `[    ${(at / 1000).toFixed(6)}] a line of the kernel with the number ${at}`,
    startMs: (at * 8000) / EVENTS,
    durationMs: at % 7,
    detail: '',
    isFault: at % 1000 === 0,
    canOpen: true,
  }));
  const boots = [{ number: 1, label: '1: booted' }];
  const head = { mac: 'm', title: 'n1', notice: '', isFault: false, boots, number: 1 };
  return { type: 'show', ...head, totalMs: 8000, stages, steps };
}

/** In the page: ms until the browser has laid out what `change` does. */
const IN_PAGE = `
  globalThis.acquireVsCodeApi = () => ({ postMessage() {}, setState() {} });
  async function timed(change) {
    const began = performance.now();
    change();
    document.body.getBoundingClientRect();
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - began;
  }
  const asPage = () => dispatchEvent(new MessageEvent('message', { data: shown }));
  const zoomIn = () => document.getElementById('in').click();
  function asTable() {
    const table = document.createElement('table');
    for (const { name, startMs, durationMs } of shown.steps) {
      const line = table.insertRow();
      for (const text of [name, startMs, durationMs]) line.insertCell().textContent = text;
    }
    document.getElementById('peer').replaceChildren(table);
  }
`;

async function median(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await measure());
  return times.sort((one, other) => one - other)[ROUNDS >> 1] ?? 0;
}

const row = (name: string, ours: number, peer: number, peerName: string): BenchRow => ({
  name,
  unit: 'ms',
  ours,
  peer,
  peerName,
  ratio: peer / ours,
  target: null,
  met: null,
});
