import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { type LabPlan, stepWords } from '../api/lab-file/plan.ts';
import { BootyardError, systemCode } from '../errors.ts';
import type { LabSession, Session } from './session.ts';
import { formatTable } from './table.ts';

const FILE = 'the file of the lab (default: bootyard.yaml)';

interface ApplyOptions {
  dryRun?: boolean;
  force?: boolean;
  prune?: boolean;
  wait?: boolean;
  json?: boolean;
}

/** `lab apply|export|destroy`. What reads YAML is loaded when one of them runs. */
export function addLabFileCommands(lab: Command, session: Session): void {
  lab
    .command('apply')
    .description('make the lab what a file says: shows what differs, and changes only that')
    .argument('[file]', FILE)
    .option('--dry-run', 'show what would be done, and do nothing')
    .option('--prune', 'also remove nodes that the file does not name')
    .option('--wait', 'wait until the nodes of the file are booted')
    .option('--force', 'do not ask before nodes are rebooted or something is lost')
    .option('--json', 'print the plan as JSON; what is done goes to standard error')
    .action((file: string | undefined, options: ApplyOptions) => apply(session, file, options));
  lab
    .command('export')
    .description('write the lab as it is as a file')
    .argument('[file]', 'by default it is printed')
    .option('--force', 'replace the file')
    .action((file: string | undefined, options: { force?: boolean }) =>
      session.withLab((connected) => exportLab(connected, file, options.force ?? false)),
    );
  lab
    .command('destroy')
    .description('remove the nodes and images that a file names')
    .argument('[file]', FILE)
    .option('--force', 'do not ask')
    .option('--json', 'print what is removed as JSON')
    .action((file: string | undefined, options: { force?: boolean; json?: boolean }) =>
      destroy(session, file, options),
    );
}

async function apply(session: Session, file: string | undefined, options: ApplyOptions): Promise<void> {
  const { loadLab } = await import('../api/lab-file/read.ts');
  // What is wrong with it is said before a lab is started for it.
  const loaded = await loadLab(file);
  await session.withLab(async (lab) => {
    const { gatherFacts } = await import('../api/lab-file/facts.ts');
    const { planLab } = await import('../api/lab-file/plan.ts');
    const { applyLab } = await import('../api/lab-file/apply.ts');
    const control = { signal: lab.signal, onProgress: session.progress.show };
    const facts = await gatherFacts(lab.client, loaded, control);
    session.progress.clear();
    const plan = planLab(loaded.lab, facts, options.prune);
    if (options.json) session.printJson({ file: resolve(loaded.path), ...plan });
    else session.print(describe(plan, loaded.path));
    if (options.dryRun) return;
    if (!(await agrees(session, plan.losses, options.force ?? false))) return;
    const tell = options.json ? session.say.bind(session) : session.print.bind(session);
    await applyLab(lab.client, loaded.lab, plan, {
      ...control,
      onStep: (step) => tell(`${stepWords(step).join(' ')}...`),
      onOutput: (text) => {
        session.progress.clear();
        process.stderr.write(text);
      },
      warn: (warning) => session.say(`WARNING: ${warning}`),
    });
    session.progress.clear();
    if (plan.steps.length > 0) tell(`The lab is as ${loaded.path} says.`);
    const up = [...loaded.lab.nodes].filter(([, { power }]) => power === 'on').map(([name]) => name);
    if (options.wait && up.length > 0) {
      session.progress.show({ message: `Waiting for bootup of ${up.join(', ')}` });
      await lab.call('node.wait', { nodes: up });
    }
  });
}

/** Whether the user wants what is lost by it. Throws where nobody can be asked. */
async function agrees(session: Session, losses: readonly string[], force: boolean): Promise<boolean> {
  if (force || losses.length === 0) return true;
  const said = losses.join('\n');
  if (!session.interactive) throw new BootyardError('lab.loses', `${said}\nUse --force to go on.`);
  if (await session.confirm(`${said}\nGo on?`)) return true;
  session.exitCode = 1;
  session.say('Nothing was changed.');
  return false;
}

function describe({ steps }: LabPlan, path: string): string {
  if (steps.length === 0) return `Nothing to do: the lab is as ${path} says.`;
  const rows = steps.map((step) => [...stepWords(step), step.why]);
  return formatTable(['what', 'name', 'why'], rows);
}

async function exportLab(lab: LabSession, file: string | undefined, force: boolean): Promise<void> {
  const { exportLab: write } = await import('../api/lab-file/export.ts');
  const facts = {
    images: await lab.call('image.list', {}),
    nodes: await lab.call('node.list', {}),
    settings: await lab.call('node.settings', {}),
  };
  const { text, unknown } = write(facts, file === undefined ? process.cwd() : dirname(resolve(file)));
  for (const image of unknown) {
    lab.session.say(
      `WARNING: Nothing here says how image ${image} was made, so the file only names it: keep it with \`bootyard image export\`.`,
    );
  }
  if (file === undefined) return lab.session.print(text.trimEnd());
  try {
    await writeFile(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    throw new BootyardError('lab.fileExists', `There is a file ${file} already: use --force to replace it.`);
  }
}

async function destroy(
  session: Session,
  file: string | undefined,
  options: { force?: boolean; json?: boolean },
): Promise<void> {
  const { loadLab } = await import('../api/lab-file/read.ts');
  const { destroyLab, planDestroy } = await import('../api/lab-file/destroy.ts');
  const loaded = await loadLab(file);
  await session.withLab(async (lab) => {
    const plan = await planDestroy(lab.client, loaded.lab);
    const { nodes, images, kept } = plan;
    if (options.json) session.printJson({ file: resolve(loaded.path), ...plan });
    else {
      const rows = [
        ...nodes.map((name) => ['remove node', name]),
        ...images.map((name) => ['remove image', name]),
      ];
      const nothing = `Nothing to do: nothing that ${loaded.path} names is there.`;
      session.print(rows.length === 0 ? nothing : formatTable(['what', 'name'], rows));
      for (const why of kept) session.say(why);
    }
    if (nodes.length + images.length === 0) return;
    const losses = [
      ...plan.losses,
      `${nodes.length} node(s) and ${images.length} image(s) are removed for good.`,
    ];
    if (!(await agrees(session, losses, options.force ?? false))) return;
    await destroyLab(lab.client, plan, { signal: lab.signal, onProgress: session.progress.show });
  });
}
