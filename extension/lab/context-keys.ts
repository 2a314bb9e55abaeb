import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';

/** Keeps the context keys that welcome views, menus and the walkthrough ask for. A key is set only when it changes. */
export function registerContextKeys(connection: LabConnection): vscode.Disposable {
  const values = new Map<string, unknown>();
  const set = (name: string, value: unknown): void => {
    if (values.get(name) === value) return;
    values.set(name, value);
    void vscode.commands.executeCommand('setContext', `bootyard.${name}`, value);
  };
  const update = (): void => {
    const { nodes, images } = connection.model;
    set('lab', connection.state);
    set('labRunning', connection.state === 'running');
    set('hasNodes', nodes.length > 0);
    set('hasImages', images.length > 0);
    set(
      'hasBooted',
      nodes.some((node) => node.state === 'booted'),
    );
  };
  update();
  return vscode.Disposable.from(connection.onState(update), connection.model.onChanged(update));
}
