/** The form's frame: fields come by messages. */
export const FORM = `  <main aria-labelledby="title">
    <h1 id="title"></h1>
    <p id="notice" role="status"></p>
    <form id="form" novalidate>
      <fieldset id="fields" aria-labelledby="title"></fieldset>
      <footer>
        <button id="save" type="submit" class="primary" disabled>Save</button>
        <button id="reboot" type="button" hidden>Reboot Now</button>
        <p id="outcome" role="status"></p>
      </footer>
    </form>
  </main>`;
