// How large the letters of a tile are, and how many there is room for.

/** What programs on a serial line take for its width, since nobody tells them another. */
const COLUMNS = 80;
const LEAST_ROWS = 4;
const LEAST_FONT = 5;
/** px beside the rows, in which the terminal draws its scroll bar */
const SCROLL_BAR = 14;

export interface Fit {
  fontSize: number;
  columns: number;
  rows: number;
}
/** Width and height of a letter, as parts of the size of its font. */
export interface Letter {
  width: number;
  height: number;
}

/** The largest letters, up to `largest`, of which a line of a serial console fits into a tile. All in px. */
export function fit(room: { width: number; height: number }, letter: Letter, largest: number): Fit {
  const width = Math.max(0, room.width - SCROLL_BAR);
  const wanted = Math.floor((2 * width) / (COLUMNS * letter.width)) / 2;
  const fontSize = Math.min(largest, Math.max(LEAST_FONT, wanted));
  return {
    fontSize,
    columns: Math.max(COLUMNS, Math.floor(width / (fontSize * letter.width))),
    rows: Math.max(LEAST_ROWS, Math.floor(room.height / Math.ceil(fontSize * letter.height))),
  };
}
