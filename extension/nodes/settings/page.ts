import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** The folder of the page's program and style; nothing else may be loaded. */
export function pageFolder(extension: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extension, 'dist', 'webview');
}

/** An empty page: what it shows comes by messages. */
export function pageHtml(webview: vscode.Webview, extension: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const address = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(pageFolder(extension), file)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${address('settings.css')}">
  <title>Settings</title>
</head>
<body>
  <main aria-labelledby="title">
    <h1 id="title"></h1>
    <p id="notice" role="status"></p>
    <form id="form" novalidate>
      <fieldset id="fields" aria-labelledby="title"></fieldset>
      <footer>
        <button id="save" type="submit" disabled>Save</button>
        <button id="reboot" type="button" class="secondary" hidden>Reboot Now</button>
        <p id="outcome" role="status"></p>
      </footer>
    </form>
  </main>
  <script nonce="${nonce}" src="${address('settings.js')}"></script>
</body>
</html>`;
}
