import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { NodeState } from '../../backend/api/node.ts';
import { statusCommands } from '../../extension/lab/lab-text.ts';
import { contextValue, tooltipCommands } from '../../extension/nodes/node-row.ts';

const root = join(import.meta.dirname, '../..');
const MenuItem = z.object({
  command: z.string().optional(),
  submenu: z.string().optional(),
  when: z.string().optional(),
  group: z.string().optional(),
});
const Configuration = z.looseObject({ type: z.string(), request: z.string(), name: z.string() });
const Manifest = z.object({
  icon: z.string(),
  contributes: z.object({
    commands: z.array(z.object({ command: z.string(), title: z.string(), category: z.string() })),
    menus: z.record(z.string(), z.array(MenuItem)),
    submenus: z.array(z.object({ id: z.string() })),
    viewsContainers: z.object({ activitybar: z.array(z.object({ icon: z.string() })) }),
    viewsWelcome: z.array(z.object({ contents: z.string(), when: z.string() })),
    walkthroughs: z.array(
      z.object({
        steps: z.array(
          z.object({
            description: z.string(),
            media: z.object({ svg: z.string() }),
            completionEvents: z.array(z.string()),
          }),
        ),
      }),
    ),
    configuration: z.object({ properties: z.record(z.string(), z.object({ scope: z.string() })) }),
    debuggers: z.array(
      z.object({
        type: z.string(),
        configurationAttributes: z.record(
          z.string(),
          z.object({ properties: z.record(z.string(), z.object({ description: z.string() }).partial()) }),
        ),
        initialConfigurations: z.array(Configuration),
        configurationSnippets: z.array(z.object({ body: Configuration })),
      }),
    ),
  }),
  activationEvents: z.array(z.string()),
  capabilities: z.object({
    untrustedWorkspaces: z.object({ restrictedConfigurations: z.array(z.string()) }),
  }),
});
const manifest = Manifest.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
const { contributes } = manifest;
const commands = new Set(contributes.commands.map(({ command }) => command));
const sources = readdirSync(join(root, 'extension'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(root, 'extension', file), 'utf8'))
  .join('\n');

describe('manifest', () => {
  test('each command is implemented, and each implemented one is contributed', () => {
    const implemented = [...sources.matchAll(/'(bootyard\.(?:node|image|lab)\.\w+)': /gm)].map(
      (match) => match[1],
    );
    expect(implemented).toHaveLength(commands.size);
    expect(new Set(implemented)).toEqual(commands);
  });

  test('the row of an engine’s image boots and clones, and no more', () => {
    const rows = contributes.menus['view/item/context'] ?? [];
    const offered = rows.filter(({ when = '' }) => {
      const [, exact, pattern] = /viewItem (?:== (\w+)|=~ \/(.+?)\/)/.exec(when) ?? [];
      const fits =
        exact === 'engineImage' || (pattern !== undefined && new RegExp(pattern).test('engineImage'));
      return fits && when.includes('bootyard.images');
    });
    const names = new Set(offered.map(({ command }) => command));
    expect([...names].toSorted()).toEqual([
      'bootyard.image.bootNewNode',
      'bootyard.image.bootOn',
      'bootyard.image.clone',
    ]);
  });

  test('menus, welcome views, the walkthrough and links name commands that exist', () => {
    const steps = contributes.walkthroughs.flatMap(({ steps }) => steps);
    const texts = [
      ...contributes.viewsWelcome.map(({ contents }) => contents),
      ...steps.map((step) => step.description),
    ];
    const linked = texts.flatMap((text) =>
      [...text.matchAll(/command:([\w.]+)/g)].map((match) => match[1] ?? ''),
    );
    const items = Object.values(contributes.menus).flat();
    const inMenus = items.flatMap(({ command }) => command ?? []);
    const submenus = contributes.submenus.map(({ id }) => id);
    expect(items.flatMap(({ submenu }) => submenu ?? []).toSorted()).toEqual(submenus.toSorted());
    for (const id of submenus) expect(contributes.menus[id]?.length).toBeGreaterThan(1);
    const completing = steps.flatMap(({ completionEvents }) => completionEvents);
    const events = completing
      .filter((event) => event.startsWith('onCommand:'))
      .map((event) => event.slice(10));
    for (const command of [...linked, ...inMenus, ...events, ...tooltipCommands, ...statusCommands]) {
      expect(commands).toContain(command);
    }
  });

  test('context keys that are asked for are set', () => {
    const keys = JSON.stringify(contributes).matchAll(/bootyard\.(lab\w*|has\w+)(?= |"|\)|$)/g);
    const asked = new Set([...keys].map((match) => match[1]));
    const set = new Set([...sources.matchAll(/^ {4}set\(\s*'(\w+)'/gm)].map((match) => match[1]));
    expect(asked.size).toBeGreaterThan(2);
    for (const key of asked) expect(set).toContain(key);
  });

  test('pictures are there', () => {
    const pictures = [
      manifest.icon,
      ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg)),
    ];
    expect(pictures.filter((picture) => !existsSync(join(root, picture)))).toEqual([]);
  });

  test('walkthrough pictures take their colours from the theme', () => {
    for (const step of contributes.walkthroughs.flatMap(({ steps }) => steps)) {
      expect(readFileSync(join(root, step.media.svg), 'utf8')).not.toMatch(/#[0-9a-f]{3,8}\b|rgb\(/i);
    }
  });

  test('settings that name programs or folders are the machine’s, and restricted', () => {
    const restricted = manifest.capabilities.untrustedWorkspaces.restrictedConfigurations;
    for (const name of ['bootyard.home', 'bootyard.nodePath', 'bootyard.engine']) {
      expect(contributes.configuration.properties[name]?.scope).toBe('machine');
      expect(restricted).toContain(name);
    }
  });

  test('each state of a node offers a console or a boot, and at most three inline actions', () => {
    const inline = (contributes.menus['view/item/context'] ?? []).filter(({ group }) =>
      group?.startsWith('inline'),
    );
    for (const state of NodeState.options) {
      const value = contextValue({ state, reason: null });
      const offered = inline.filter(({ when = '' }) => {
        const pattern = /viewItem =~ \/(.+?)\/(?: |$)/.exec(when)?.[1];
        return when.includes('bootyard.nodes') && pattern !== undefined && new RegExp(pattern).test(value);
      });
      const names = offered.map(({ command }) => command);
      expect(names.length).toBeLessThanOrEqual(3);
      expect(names.length).toBeGreaterThan(0);
      expect(names.includes('bootyard.node.shell')).toBe(state === 'booted');
    }
  });

  test('debuggers are implemented, and what they offer has only what they know', () => {
    const types = contributes.debuggers.map(({ type }) => type);
    expect(
      [...sources.matchAll(/export const [A-Z]+ = '(bootyard-\w+)';/g)].map(([, type]) => type).toSorted(),
    ).toEqual(types.toSorted());
    for (const { type, configurationAttributes, ...offered } of contributes.debuggers) {
      expect(manifest.activationEvents).toContain(`onDebugDynamicConfigurations:${type}`);
      const snippets = offered.configurationSnippets.map(({ body }) => body);
      for (const { request, name, type: own, ...rest } of [...offered.initialConfigurations, ...snippets]) {
        expect([own, name]).toEqual([type, expect.stringMatching(/\S/)]);
        const known = configurationAttributes[request]?.properties ?? {};
        expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(rest)));
      }
    }
  });

  test('commands that ask or destroy end with dots', () => {
    const asking = contributes.commands.filter(({ command }) =>
      /\.(\w*[rR]emove|rename|create(From)?|import|run|save|snapshot\w+|pushToImage|replay|makeRoom|debugProgram)$/.test(
        command,
      ),
    );
    expect(asking.length).toBeGreaterThan(0);
    for (const { title } of asking) expect(title).toMatch(/\.\.\.$/);
  });
});
