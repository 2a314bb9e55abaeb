import { once } from 'node:events';
import type { Command } from 'commander';
import type { Session } from './session.ts';
import { portNumber } from './usage.ts';

export function addLabWebCommand(lab: Command, session: Session): void {
  lab
    .command('web')
    .description(
      "serve WalT's web API on 127.0.0.1, read-only, until ctrl-C: /api/v1/nodes, /api/v1/images, /api/v1/logs",
    )
    .option('--port <port>', 'TCP port of this host; 0: a free one is chosen and printed', '8090')
    .addHelpText('after', '\nEvery user of this host can read it, logs included, as long as it runs.')
    .action((options: { port: string }) => serve(session, portNumber(options.port, 0)));
}

async function serve(session: Session, wanted: number): Promise<void> {
  const { LabLink } = await import('../api/lab-link.ts');
  const { serveWeb } = await import('../api/web/server.ts');
  // Started once, by this command: those who ask later do not start a lab that was stopped.
  await session.withLab(() => Promise.resolve());
  await session.interruptible(async (signal) => {
    const lab = new LabLink({ start: false, signal });
    const web = await serveWeb({ lab, port: wanted, onProblem: (sentence) => session.say(sentence) });
    try {
      session.print(`The web API is at http://127.0.0.1:${web.port}/api/v1/ until ctrl-C.`);
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      await web.close();
      lab.dispose();
    }
  });
}
