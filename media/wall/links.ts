// Where in a terminal the parts of a line are: a line may go on in several rows, and a letter may take two cells.
import type { IBuffer, IBufferRange } from '@xterm/xterm';
import type { Link } from '../../extension/wall/messages.ts';

type Rows = Pick<IBuffer, 'getLine'>;

export interface Line {
  readonly text: string;
  /** of each UTF-16 unit of the text; counted from 1, as the terminal does */
  readonly cells: readonly { x: number; y: number }[];
}

/** The whole line that goes through a row, counted from 1. */
export function lineThrough(rows: Rows, row: number): Line {
  let first = row - 1;
  while (first > 0 && rows.getLine(first)?.isWrapped) first--;
  let text = '';
  const cells: Line['cells'][number][] = [];
  for (let y = first; y === first || rows.getLine(y)?.isWrapped; y++) {
    const line = rows.getLine(y);
    for (let x = 0; x < (line?.length ?? 0); x++) {
      const cell = line?.getCell(x);
      // The second cell of a wide letter has nothing of its own.
      if (!cell || cell.getWidth() === 0) continue;
      const letter = cell.getChars() || ' ';
      text += letter;
      for (let unit = 0; unit < letter.length; unit++) cells.push({ x: x + 1, y: y + 1 });
    }
  }
  return { text, cells };
}

/** Undefined where the line does not have it any more. */
export function rangeOf({ cells }: Line, { start, length }: Link): IBufferRange | undefined {
  const [from, to] = [cells[start], cells[start + length - 1]];
  return from && to && { start: from, end: to };
}
