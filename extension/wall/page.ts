/** The console wall's frame: tiles come by messages. */
export const FRAME = `  <main class="whole" aria-labelledby="title">
    <header>
      <h1 id="title"></h1>
      <p id="help">Click a tile, or Tab to it and press Enter, to type into it. Escape leaves it (Ctrl+[ is the node's
        Escape). A double click opens a terminal, a click with Ctrl follows a link.</p>
    </header>
    <p id="notice" role="status"></p>
    <div id="tiles"></div>
  </main>`;
