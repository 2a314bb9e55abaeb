/** The log view's frame: what is looked for above, lines, and the whole of one line below. */
export const FRAME = `  <main class="whole" aria-labelledby="title">
    <h1 id="title"></h1>
    <div id="filters" role="search">
      <label id="issuer-field">From <input id="issuers" list="issuer-list" spellcheck="false"
        title="Names of nodes, all-nodes or server, with commas between them"></label>
      <label>Streams <input id="streams" list="stream-list" spellcheck="false" placeholder="any"
        title="A POSIX extended regular expression that names of streams match"></label>
      <label>Search <input id="search" type="search" spellcheck="false" placeholder="regular expression"
        title="A POSIX extended regular expression that lines match, as of grep -E (/)"></label>
      <label>Time <select id="range"></select></label>
      <span id="between" hidden>
        <input id="from" type="datetime-local" step="1" aria-label="From this time">
        <input id="to" type="datetime-local" step="1" aria-label="To this time">
      </span>
      <span class="buttons">
        <button id="follow" type="button" aria-pressed="true" title="Show lines as they come (f)">Follow</button>
        <button id="clear" type="button" title="Look for everything again">Clear Filters</button>
        <button id="export" type="button">Export...</button>
      </span>
      <datalist id="issuer-list"></datalist>
      <datalist id="stream-list"></datalist>
    </div>
    <p id="notice" role="alert"></p>
    <div id="scroll" role="listbox" aria-label="Log lines" tabindex="0"><div id="lines" role="presentation"></div></div>
    <p id="state" role="status"></p>
    <p id="details"></p>
  </main>`;
