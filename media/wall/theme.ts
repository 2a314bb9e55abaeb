// What the editor's theme makes of a terminal.
import type { ITheme } from '@xterm/xterm';
import type { Letter } from './fit.ts';

export interface Look {
  readonly theme: ITheme;
  readonly fontFamily: string;
  /** px; what the editor has, and the largest that a tile has */
  readonly fontSize: number;
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** As the editor's own terminals are. */
export function editorLook(): Look {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string | undefined =>
    style.getPropertyValue(`--vscode-${name}`).trim() || undefined;
  const ansi = COLOURS.flatMap((colour) => {
    const name = colour.charAt(0).toUpperCase() + colour.slice(1);
    return [
      [colour, value(`terminal-ansi${name}`)] as const,
      [`bright${name}`, value(`terminal-ansiBright${name}`)] as const,
    ];
  });
  const foreground = value('terminal-foreground') ?? value('foreground');
  return {
    theme: {
      ...Object.fromEntries(ansi),
      foreground,
      background: value('terminal-background') ?? value('editor-background'),
      cursor: value('terminalCursor-foreground') ?? foreground,
      cursorAccent: value('terminalCursor-background'),
      selectionBackground: value('terminal-selectionBackground'),
      selectionForeground: value('terminal-selectionForeground'),
      selectionInactiveBackground: value('terminal-inactiveSelectionBackground'),
    },
    fontFamily: value('editor-font-family') ?? 'monospace',
    fontSize: Number.parseFloat(value('editor-font-size') ?? '') || 14,
  };
}

/** Calls when the user has chosen another theme or font. */
export function onLookChange(listener: () => void): void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
}

/** How large letters of a font are. */
export function measure(fontFamily: string): Letter {
  const SIZE = 100;
  const context = document.createElement('canvas').getContext('2d');
  if (!context) return { width: 0.6, height: 1.2 };
  context.font = `${SIZE}px ${fontFamily}`;
  const { width, fontBoundingBoxAscent, fontBoundingBoxDescent } = context.measureText('W');
  return { width: width / SIZE, height: (fontBoundingBoxAscent + fontBoundingBoxDescent) / SIZE };
}
