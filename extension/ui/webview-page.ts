import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** The folder of the pages' programs and styles; nothing else may be loaded. */
export function pageFolder(extension: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extension, 'dist', 'webview');
}

export interface Page {
  /** of its program and style */
  readonly name: string;
  readonly title: string;
  /** its frame: what it shows comes by messages */
  readonly body: string;
  /** its program makes style rules besides, which come from nowhere else then */
  readonly hasOwnStyles?: boolean;
}

/** The HTML of a page, which may load nothing but its program and style. */
export function pageHtml(
  webview: vscode.Webview,
  extension: vscode.Uri,
  { name, title, body, hasOwnStyles = false }: Page,
): string {
  const nonce = randomBytes(16).toString('base64');
  const address = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(pageFolder(extension), file)).toString();
  const styles = `${webview.cspSource}${hasOwnStyles ? " 'unsafe-inline'" : ''}`;
  const policy = `default-src 'none'; style-src ${styles}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${address(`${name}.css`)}">
  <title>${title}</title>
</head>
<body>
${body}
  <script nonce="${nonce}" src="${address(`${name}.js`)}"></script>
</body>
</html>`;
}
