/** The timeline's frame: a head with what to show, and a tree of stages and steps whose bars share one scale. */
export const FRAME = `  <main class="whole" aria-labelledby="title">
    <header>
      <h1 id="title"></h1>
      <label>Boot <select id="boot"></select></label>
      <label>beside <select id="compare"></select></label>
      <span class="buttons" role="group" aria-label="Zoom">
        <button id="out" type="button" title="Zoom out (-)">−</button>
        <button id="fit" type="button" title="The whole boot (0)">Fit</button>
        <button id="in" type="button" title="Zoom in (+)">+</button>
      </span>
      <button id="text" type="button">As Text</button>
    </header>
    <p id="notice" role="status"></p>
    <div id="scroll">
      <div id="ruler" aria-hidden="true"></div>
      <div id="rows" role="tree" aria-label="Stages and steps of the boot"></div>
    </div>
    <p id="details" role="status"></p>
  </main>`;
