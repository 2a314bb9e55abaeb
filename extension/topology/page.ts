/** The topology's frame: the drawing, and below it what is selected in it with what can be done there. */
export const FRAME = `  <main class="whole" aria-labelledby="title">
    <h1 id="title">Topology</h1>
    <p id="notice" role="status"></p>
    <div id="scroll"></div>
    <footer>
      <p id="details" role="status"></p>
      <span id="actions" role="group" aria-label="Actions on the node" hidden></span>
    </footer>
  </main>`;
