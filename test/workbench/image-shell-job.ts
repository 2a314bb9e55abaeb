import type { TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';
import type { Step } from './steps.ts';

const IMAGE = 'pc-x86-64-tiny';
const question = (image: string): string => `Save what the shell has changed in image ${image}`;
const QUESTION = question(IMAGE);

/** A shell in an image, on a temporary node that is booted on it. */
export async function openImageShell(person: Person, image: string): Promise<void> {
  await person.choose(person.row(`${image}, `), 'Open Image Shell');
  const toast = person.toast(`Opening a shell in image ${image}`);
  await toast.filter({ hasText: 'Booting a temporary node' }).waitFor();
  await toast.waitFor({ state: 'detached', timeout: 240_000 });
  await person.terminalShows(/image-shell:.*[#$] $/);
}

/** A file of an image is written in a shell, which ends, and what it changed is saved. */
export async function editInShell(
  person: Person,
  image: string,
  line: string,
  saveAs: string,
): Promise<void> {
  await openImageShell(person, image);
  await person.typeInTerminal(`${line}; exit`);
  await person.answer(question(image), saveAs);
}

/** An image is changed in a shell and boots, without any container engine. */
export function imageShellSteps(person: Person, lab: TestLab, everything: boolean): Step[] {
  return [
    {
      title: 'a shell opens in an image, on a node that no list shows',
      run: async () => {
        await openImageShell(person, IMAGE);
        if ((await person.row('image-shell').count()) > 0) throw new Error('it is listed');
      },
      picture: 'image-shell',
    },
    ...(everything ? [afterReboot(person)] : []),
    {
      title: 'on exit its changes are shown, kept when the question is taken back, and saved as an image',
      run: async () => {
        await person.typeInTerminal('echo from-shell >/etc/motd; rm /etc/shells; exit');
        const input = await person.input(QUESTION);
        const lines = person.page.locator('.part.editor .view-line');
        await lines.filter({ hasText: /^A\s+11\sB\s+\/etc\/motd$/ }).waitFor();
        await lines.filter({ hasText: /^D\s+\/etc\/shells$/ }).waitFor();
        await input.press('Escape');
        await person.confirm(`The changes of the shell in image ${IMAGE} are not saved.`, 'Save...');
        await person.answer(QUESTION, 'shelled');
        await person.toast('Image shelled is saved.').waitFor({ timeout: 60_000 });
        const images = await lab.images();
        const layersOf = (image: string): number => images.find(({ name }) => name === image)?.layers ?? 0;
        if (layersOf('shelled') !== layersOf(IMAGE) + 1)
          throw new Error(`it has ${layersOf('shelled')} layers`);
      },
    },
    {
      title: 'the saved image boots on a new node, from the notification',
      run: async () => {
        const toast = person.toast('Image shelled is saved.');
        await toast.getByRole('button', { name: 'Boot on a New Node...' }).click();
        await person.answer('New node', 'shelled1');
        await person.row('shelled1, booted').waitFor({ timeout: 240_000 });
        const told = await lab.inNode('shelled1', 'cat /etc/motd; ls /etc/shells 2>&1 | wc -l');
        if (told !== 'from-shell\n1\n') throw new Error(told);
      },
    },
  ];
}

function afterReboot(person: Person): Step {
  return {
    title: 'rebooted inside, the shell comes back in the same terminal',
    run: async () => {
      await person.typeInTerminal('reboot; sleep 60');
      await person.terminalShows(/booted again[^]*image-shell:.*[#$] $/, undefined, 240_000);
      await person.typeInTerminal('echo back:$((5*5))');
      await person.terminalShows(/back:25/);
    },
  };
}
