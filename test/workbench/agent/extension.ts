// An extension that plays an agent: its commands call Bootyard's language-model tools and tell what came back. VS Code
// shows no dialogs while it runs a suite in its extension host, so this one is installed like any other.
import * as vscode from 'vscode';

const TOOLS: Record<string, [tool: string, input: object]> = {
  look: ['list_nodes', {}],
  run: ['run_command', { node: 'vnode1', command: 'echo agreed >>/root/by-agent; exit 3' }],
  boot: ['boot_nodes', { nodes: ['vnode1'] }],
};

export function activate({ subscriptions }: vscode.ExtensionContext): void {
  for (const [command, [tool, input]] of Object.entries(TOOLS))
    subscriptions.push(vscode.commands.registerCommand(`agent.${command}`, () => tell(tool, input)));
}

async function tell(tool: string, input: object): Promise<void> {
  const said = await use(tool, input).then(
    (answer) => `${tool} answers ${answer}`,
    (error: unknown) => `${tool} was not done: ${error instanceof Error ? error.name : String(error)}`,
  );
  void vscode.window.showInformationMessage(said);
}

async function use(tool: string, input: object): Promise<string> {
  const options = { input, toolInvocationToken: undefined };
  const { content } = await vscode.lm.invokeTool(`bootyard_${tool}`, options);
  return content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
}
