import * as vscode from 'vscode';
import type { BootCase } from '../../backend/api/boot-test/cases.ts';
import { BootTestRunner, type CaseResult } from '../../backend/api/boot-test/run.ts';
import { messageOf } from '../../backend/errors.ts';
import type { LabModel } from '../daemon/lab-model.ts';
import type { Parts } from '../features.ts';
import { BootTestItems, messageAt } from './boot-test-items.ts';

/**
 * Boot tests in the Testing view: run, cancel, and debug, for which a case boots a node of the lab that stays when it fails,
 * with its console on show. What is not as expected is shown at its line.
 */
export function registerBootTests(parts: Parts): vscode.Disposable {
  const controller = vscode.tests.createTestController('bootyard.bootTests', 'Boot tests');
  const items = new BootTestItems(controller);
  const profile = (name: string, kind: vscode.TestRunProfileKind): vscode.TestRunProfile =>
    controller.createRunProfile(
      name,
      kind,
      (request, token) => run(controller, items, parts, request, token),
      true,
    );
  const { Run, Debug } = vscode.TestRunProfileKind;
  return vscode.Disposable.from(
    controller,
    items,
    profile('Run', Run),
    profile('Keep Nodes That Fail', Debug),
  );
}

async function run(
  controller: vscode.TestController,
  items: BootTestItems,
  parts: Parts,
  request: vscode.TestRunRequest,
  token: vscode.CancellationToken,
): Promise<void> {
  const due = await items.due(request);
  const testRun = controller.createTestRun(request);
  const cancel = new AbortController();
  const watch = token.onCancellationRequested(() => cancel.abort());
  const keep = request.profile?.kind === vscode.TestRunProfileKind.Debug;
  for (const { item } of due) testRun.enqueued(item);
  try {
    const runner = new BootTestRunner(await parts.requireLab());
    const caseRun = new CaseRun(runner, testRun, parts.connection.model, { keep, signal: cancel.signal });
    for (const { item, what } of due) {
      if (cancel.signal.aborted) testRun.skipped(item);
      else if (Array.isArray(what)) testRun.errored(item, what);
      else await caseRun.run(item, what);
    }
  } catch (error) {
    // Without a lab there is none of them.
    for (const { item } of due) testRun.errored(item, new vscode.TestMessage(messageOf(error)));
  } finally {
    watch.dispose();
    testRun.end();
  }
}

/** Runs cases one after the other, and tells the Testing view. */
class CaseRun {
  readonly #runner: BootTestRunner;
  readonly #testRun: vscode.TestRun;
  readonly #model: LabModel;
  readonly #options: { keep: boolean; signal: AbortSignal };

  constructor(
    runner: BootTestRunner,
    testRun: vscode.TestRun,
    model: LabModel,
    options: { keep: boolean; signal: AbortSignal },
  ) {
    this.#runner = runner;
    this.#testRun = testRun;
    this.#model = model;
    this.#options = options;
  }

  async run(item: vscode.TestItem, test: BootCase): Promise<void> {
    this.#testRun.started(item);
    let last = '';
    let console: vscode.Disposable | undefined;
    try {
      const result = await this.#runner.run(test, {
        ...this.#options,
        // It is told several times a second.
        onProgress: ({ message }) => {
          if (message !== last) this.#print(item, [message]);
          last = message;
        },
        onNode: (node) => {
          if (this.#options.keep) console = showConsole(this.#model, node);
        },
      });
      this.#tell(item, result);
    } catch (error) {
      if (this.#options.signal.aborted) this.#testRun.skipped(item);
      else this.#testRun.errored(item, new vscode.TestMessage(messageOf(error)));
    } finally {
      console?.dispose();
    }
  }

  #tell(item: vscode.TestItem, { console, failures, node, seconds }: CaseResult): void {
    this.#print(item, console);
    if (node !== null) this.#print(item, [`Node ${node} stays, to look into it.`]);
    const { uri } = item;
    const messages = uri ? failures.map((failure) => messageAt(uri, failure, failure.message)) : [];
    if (failures.length === 0) this.#testRun.passed(item, seconds * 1000);
    else this.#testRun.failed(item, messages, seconds * 1000);
  }

  #print(item: vscode.TestItem, lines: readonly string[]): void {
    this.#testRun.appendOutput(lines.map((line) => `${line}\r\n`).join(''), undefined, item);
  }
}

/** Opens the console of a node as soon as the views know it. */
function showConsole(model: LabModel, node: string): vscode.Disposable {
  const look = (): void => {
    if (!model.nodeNamed(node)) return;
    watch.dispose();
    void vscode.commands.executeCommand('bootyard.node.console', node);
  };
  const watch = model.onChanged(look);
  look();
  return watch;
}
