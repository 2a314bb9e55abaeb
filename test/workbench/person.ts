import type { FrameLocator, Locator, Page } from 'playwright-core';
import type { Workbench } from './workbench.ts';

/** Somebody who sits at a workbench: finds things as a person does, and works by mouse and keyboard. */
export class Person {
  readonly page: Page;
  readonly #address: string;

  constructor(workbench: Workbench) {
    this.page = workbench.page;
    this.#address = workbench.address();
  }

  /** Opens the workbench, with the Bootyard view on show. */
  async arrive(): Promise<void> {
    await this.page.goto(this.#address);
    const icon = this.activity('Bootyard');
    await icon.waitFor({ timeout: 90_000 });
    await icon.click();
  }

  activity(name: string): Locator {
    return this.page.locator(`.activitybar .action-label[aria-label^="${name}"]`);
  }

  /** By its icon, where it is not on show: a click on that of one which is would close it. */
  async show(view: string): Promise<void> {
    const icon = this.page.locator(`.activitybar .action-item:has([aria-label^="${view}"])`);
    const chosen = icon.and(this.page.locator('.checked'));
    await icon.waitFor({ timeout: 60_000 });
    for (const timeout of [500, 5000, 10_000, 10_000]) {
      const isShown = await chosen.waitFor({ timeout }).then(
        () => true,
        () => false,
      );
      if (isShown) return;
      await icon.click();
    }
    await chosen.waitFor();
  }

  /** A button of a welcome view. */
  button(name: string): Locator {
    return this.page.locator('.welcome-view-content .monaco-button', { hasText: name }).first();
  }

  /** A row of the side bar by what a screen reader says, which begins with its name. */
  row(spoken: string): Locator {
    return this.page.locator(`.part.sidebar .monaco-list-row[aria-label^="${spoken}"]`);
  }

  /** A notification. */
  toast(text: string): Locator {
    return this.page.locator('.notification-toast', { hasText: text });
  }

  async dismiss(toast: Locator): Promise<void> {
    await toast.hover();
    await toast.locator('.codicon-notifications-clear').click();
    await toast.waitFor({ state: 'detached' });
  }

  /** The line at the top in which the editor asks for something. */
  async input(title: string): Promise<Locator> {
    await this.page.locator('.quick-input-widget .quick-input-title', { hasText: title }).waitFor();
    return this.page.locator('.quick-input-widget input[type="text"]').first();
  }

  /** Answers a question for a text. */
  async answer(title: string, text: string): Promise<void> {
    const input = await this.input(title);
    await input.fill(text);
    await input.press('Enter');
  }

  async pick(entry: string): Promise<void> {
    await this.page.locator('.quick-input-widget .monaco-list-row', { hasText: entry }).first().click();
  }

  /** Answers on which node an image shall boot. */
  async bootOn(node: string): Promise<void> {
    await this.input('Boot which nodes?');
    const row = this.page.locator('.quick-input-widget .monaco-list-row', { hasText: node }).first();
    await row.waitFor();
    // The only node is ticked already.
    if ((await row.getAttribute('aria-checked')) !== 'true') await row.click();
    await this.page.locator('.quick-input-action').getByRole('button', { name: 'OK' }).click();
  }

  /** By the title bar: a terminal that has the focus takes keys for itself. */
  async palette(command: string): Promise<void> {
    await this.page.locator('.part.titlebar .command-center-center').first().click();
    const input = this.page.locator('.quick-input-widget input[type="text"]').first();
    await input.waitFor();
    await input.fill(`>${command}`);
    await this.pick(command);
  }

  /** An icon of a node's row. */
  async inline(name: string, action: string): Promise<void> {
    const row = this.row(`${name}, `);
    await row.hover();
    await row.locator(`.action-label[aria-label^="${action}"]`).click();
  }

  /** Something that is done is told in the status bar. */
  async said(text: string): Promise<void> {
    await this.page.locator('.statusbar-item', { hasText: text }).waitFor({ timeout: 60_000 });
  }

  async noToast(): Promise<void> {
    const toasts = await this.page.locator('.notification-toast').allInnerTexts();
    if (toasts.length > 0) throw new Error(`unexpected: ${toasts.join(' / ')}`);
  }

  /** An entry of a row's menu, or of a menu in that. */
  async choose(row: Locator, entry: string, menu?: string): Promise<void> {
    await row.click({ button: 'right' });
    if (menu !== undefined) await this.page.locator('.context-view .action-item', { hasText: menu }).hover();
    const item = this.page.locator('.context-view .action-item', { hasText: entry }).last();
    await item.waitFor();
    // A menu that has just opened does not take the end of a click for one.
    await item.click({ delay: 300 });
    await item.waitFor({ state: 'detached' });
  }

  /** The page in the editor tab that has the focus. */
  webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  }

  async confirm(question: string, answer: string): Promise<void> {
    const dialog = this.page.locator('.monaco-dialog-box');
    await dialog.getByText(question).waitFor();
    await dialog.getByRole('button', { name: answer }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** Takes hold of something; `release` lets it go. */
  async grab(thing: Locator): Promise<void> {
    const { x, y } = await middle(thing);
    await this.page.mouse.move(x, y);
    await this.page.mouse.down();
    await this.page.mouse.move(x + 6, y + 3, { steps: 3 });
  }

  /** Moves over something; `below` is how far below its middle, in pixels. A drag is told to it by the last small move. */
  async over(thing: Locator, below = 0): Promise<void> {
    const { x, y } = await middle(thing);
    await this.page.mouse.move(x, y + below, { steps: 5 });
    await this.page.mouse.move(x + 2, y + below + 1);
  }

  async release(): Promise<void> {
    await this.page.mouse.up();
  }

  async typeInTerminal(line: string, part = TERMINAL): Promise<void> {
    await this.page.locator(`${part} .xterm`).click();
    await this.page.keyboard.type(line);
    await this.page.keyboard.press('Enter');
  }

  /** Waits for text in the terminal on show; its rows hold no-break spaces. */
  async terminalShows(pattern: RegExp, part = TERMINAL, timeout = 60_000): Promise<void> {
    const shown = `${String(pattern)}.test((${terminalText})(${JSON.stringify(`${part} .xterm-rows`)}))`;
    await this.page.waitForFunction(shown, undefined, { timeout });
  }
}

/** The terminal on show in the editor area, and the one in the panel. */
const TERMINAL = '.part.editor .terminal-wrapper.active';
export const PANEL_TERMINAL = '.part.panel .terminal-wrapper.active';
/** The menu in a node's menu for what was logged, read, printed and sent. */
export const RECORDS = 'Logs and Records';

/** Runs in the page, which has a type library of its own, so it is text here. A prompt's space is lost at a row's end. */
const terminalText = `(rows) =>
  (document.querySelector(rows)?.innerText ?? '').replaceAll('\\u00a0', ' ').trimEnd() + ' '`;

async function middle(thing: Locator): Promise<{ x: number; y: number }> {
  await thing.waitFor();
  const box = await thing.boundingBox();
  if (!box) throw new Error(`${String(thing)} is not on the screen`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}
