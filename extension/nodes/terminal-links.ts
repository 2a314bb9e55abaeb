import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { type ConsoleLink, linkTooltip, type LinkTarget } from './console-links.ts';
import { LinkOpener } from './link-opener.ts';
import type { NodeTerminals } from './node-terminals.ts';

interface NodeLink extends vscode.TerminalLink {
  readonly target: LinkTarget;
}

/** Links in the consoles and shells of nodes: to other nodes, their ports, and files of the image. */
export function registerTerminalLinks(
  { connection, errors }: Parts,
  terminals: NodeTerminals,
): vscode.Disposable {
  const opener = new LinkOpener(connection.model);
  const provider: vscode.TerminalLinkProvider<NodeLink> = {
    provideTerminalLinks: async ({ line, terminal }) => {
      const mac = terminals.nodeOf(terminal);
      return mac === undefined ? [] : (await opener.find(line, mac)).map(terminalLink);
    },
    handleTerminalLink: ({ target }) => {
      opener.follow(target).catch((error: unknown) => errors.report(error));
    },
  };
  return vscode.window.registerTerminalLinkProvider(provider);
}

function terminalLink({ start, length, target }: ConsoleLink): NodeLink {
  return { startIndex: start, length, tooltip: linkTooltip(target), target };
}
