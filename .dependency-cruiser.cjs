// Imports point one way (DESIGN: layout). Each layer may import from the layers below it, never from its own level's
// neighbours or from above; backend/daemon.ts alone sees all.
const below = {
  extension: ['api'],
  cli: ['api', 'lab', 'state'],
  api: ['nodes', 'agent', 'boot', 'images', 'logs', 'protocols', 'lab', 'events', 'state'],
  nodes: ['agent', 'boot', 'images', 'logs', 'protocols', 'lab', 'events', 'state'],
  agent: ['images', 'logs', 'protocols', 'lab', 'events', 'state'],
  boot: ['images', 'logs', 'protocols', 'lab', 'events', 'state', 'guest'],
  images: ['protocols', 'lab', 'events', 'state', 'guest'],
  persist: ['protocols', 'events', 'state'],
  logs: ['protocols', 'lab', 'events', 'state'],
  protocols: ['events'],
  lab: ['events', 'state'],
  guest: [],
  events: [],
  state: [],
};
const pathOf = (layer) => (layer === 'extension' ? '^extension/' : `^backend/${layer}/`);
const layers = Object.keys(below).map((layer) => ({
  name: `layers-${layer}`,
  severity: 'error',
  comment: `${layer} may import only: ${below[layer].join(', ') || 'nothing of ours'}`,
  from: { path: pathOf(layer) },
  to: {
    path: '^(backend|extension)/',
    pathNot: [pathOf(layer), '^backend/errors\\.ts$', ...below[layer].map(pathOf)],
  },
}));

module.exports = {
  forbidden: [
    ...layers,
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'webviews-apart',
      severity: 'error',
      comment: 'a page shares with the extension the messages that they send each other, and nothing else',
      from: { path: '^media/' },
      to: { path: '^(backend|extension)/', pathNot: '/messages\\.ts$' },
    },
    {
      name: 'protocols-apart',
      severity: 'error',
      comment: 'a protocol knows its RFC, not its neighbours; the files beside the protocols are shared',
      from: { path: '^backend/protocols/([^/]+)/' },
      to: {
        path: '^backend/protocols/',
        pathNot: ['^backend/protocols/$1/', '^backend/protocols/[^/]+\\.ts$'],
      },
    },
    {
      name: 'daemon-is-the-root',
      severity: 'error',
      from: { pathNot: '^backend/daemon\\.ts$' },
      to: { path: '^backend/daemon\\.ts$' },
    },
    {
      name: 'vscode-only-in-extension',
      severity: 'error',
      from: { pathNot: '^(extension|test/workbench)/' },
      to: { path: '^vscode$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
