import { EntryType, type LayerIndex } from '../../images/tree/layer-index.ts';
import { SLICE } from '../../images/tree/slices.ts';
import { shown } from '../../images/tar/tar-path.ts';
import type { Hit, Rule, Severity } from './finding.ts';
import type { LintImage } from './image.ts';

/** A kind of secret: the end of which paths may hold one, and what such a file has in its first bytes. */
interface Kind {
  path: RegExp;
  content: RegExp;
  what: string;
}

const HEAD = 4 << 10;
/** Files of all layers whose first bytes are read. */
const MAX_READS = 20_000;
const READS_A_TURN = 64;
/** Characters of a path that patterns see. */
const PATH_END = 160;
/** Where packages keep samples and tests. */
const SAMPLES = /^usr\/(share|src|lib\/(python|node_modules|ruby|go)|local\/lib\/(python|node_modules))/;

const KINDS: readonly Kind[] = [
  {
    path: /(^|\/)(id_[a-z0-9_-]+|[^/]+\.(pem|key|ppk|p8)|[^/]*_key|identity|privkey[^/]*)$/,
    content: /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|^PuTTY-User-Key-File-/,
    what: 'a private key',
  },
  { path: /(^|\/)keys?\.txt$|\.age$/, content: /AGE-SECRET-KEY-1[A-Z0-9]{20}/, what: 'an age key' },
  { path: /(^|\/)[._]netrc$/, content: /\bpassword\s+\S/, what: 'passwords for servers' },
  {
    path: /(^|\/)\.git-credentials$/,
    content: /:\/\/[^\s:@]{1,100}:[^\s@]{1,200}@/,
    what: 'passwords of git',
  },
  {
    path: /(^|\/)(\.docker\/config\.json|\.dockercfg|containers\/auth\.json)$/,
    content: /"(auth|identitytoken|registrytoken)"\s*:\s*"[^"]/,
    what: 'passwords of container registries',
  },
  { path: /(^|\/)\.aws\/credentials$/, content: /aws_secret_access_key\s*=\s*\S/i, what: 'keys of AWS' },
  {
    path: /(^|\/)(\.config\/gcloud\/.*\.json|[^/]*(service[-_]?account|credentials)[^/]*\.json)$/i,
    content: /"(private_key|refresh_token|client_secret)"\s*:\s*"[^"]/,
    what: 'keys of Google Cloud',
  },
  {
    path: /(^|\/)\.azure\/[^/]*(token|profile)[^/]*\.json$/i,
    content: /"(accessToken|refreshToken|secret)"\s*:\s*"[^"]/i,
    what: 'tokens of Azure',
  },
  {
    path: /(^|\/)(\.kube\/config|kubeconfig|etc\/rancher\/k3s\/k3s\.yaml|etc\/kubernetes\/[^/]+\.conf)$/,
    content: /^[ \t-]*(client-key-data|token|password):\s*\S/m,
    what: 'keys of a Kubernetes cluster',
  },
  { path: /(^|\/)\.npmrc$/, content: /_(authToken|password|auth)\s*=\s*[^\s$]/, what: 'a token of npm' },
  { path: /(^|\/)\.pypirc$/, content: /^[ \t]*password[ \t]*[:=][ \t]*\S/m, what: 'a password of PyPI' },
  { path: /(^|\/)\.pgpass$/, content: /^[^#\s:][^:\n]*(:[^:\n]*){3}:\S/m, what: 'passwords of PostgreSQL' },
  {
    path: /(^|\/)\.env(\.[^/]*)?$/,
    content:
      /^[ \t]*(export[ \t]+)?\w{0,60}(SECRET|TOKEN|PASSWORD|API_?KEY)\w{0,60}[ \t]*=[ \t]*["']?[^\s"'$]{4}/im,
    what: 'secrets of a program',
  },
  {
    path: /(^|\/)wp-config\.php$/,
    content: /DB_PASSWORD['"]\s*,\s*['"][^'"]/,
    what: 'a password of a database',
  },
];

/** Host keys have a rule of their own; those that a later layer removes are no node's any more. */
const HOST_KEY = /^etc\/(ssh\/ssh_host_|dropbear\/)/;

interface Secret {
  path: string;
  layer: number;
  kind: Kind;
  /** what the file in the image begins with is something else, or there is none */
  hidden: boolean;
}

interface Search {
  found: readonly Secret[];
  /** false: there were too many files to look into */
  complete: boolean;
}
const searches = new WeakMap<LintImage, Promise<Search>>();

function searchOf(image: LintImage): Promise<Search> {
  const known = searches.get(image) ?? search(image);
  searches.set(image, known);
  return known;
}

async function search(image: LintImage): Promise<Search> {
  let reads = 0;
  const found = new Map<string, Secret>();
  for (const [layer, index] of image.source.layers.entries()) {
    for (let entry = 0; entry < index.count; entry++) {
      if (entry % SLICE === SLICE - 1) await image.turn();
      if (index.arrays.type[entry] !== EntryType.file) continue;
      const path = index.path(entry);
      const end = path.slice(-PATH_END);
      const kinds = SAMPLES.test(path) ? [] : KINDS.filter((kind) => kind.path.test(end));
      if (kinds.length === 0) continue;
      if (++reads > MAX_READS) return { found: [...found.values()], complete: false };
      if (reads % READS_A_TURN === 0) await image.turn();
      const secret = secretAt(image, { index, layer, entry }, kinds);
      if (secret) found.set(`${secret.hidden ? layer : 'seen'} ${path}`, secret);
    }
  }
  return { found: [...found.values()], complete: true };
}

interface Place {
  index: LayerIndex;
  layer: number;
  entry: number;
}

function secretAt(image: LintImage, place: Place, kinds: readonly Kind[]): Secret | undefined {
  const head = headOf(image, place);
  const text = head.toString('latin1');
  const kind = kinds.find(({ content }) => content.test(text));
  const path = place.index.path(place.entry);
  if (!kind || HOST_KEY.test(path)) return undefined;
  const seen = image.tree.lookupPath(Buffer.from(`/${path}`, 'latin1'), { follow: false });
  const hidden = seen === 0 || !sameHead(image, seen, head);
  return { path: `/${path}`, layer: place.layer, kind, hidden };
}

/** The first bytes of a file as a layer has it; empty for sparse files. */
function headOf(image: LintImage, { index: { arrays }, layer, entry }: Place): Buffer {
  const file = image.tree.layers[layer];
  const size = arrays.size[entry] ?? 0;
  const data = arrays.data[entry] ?? 0;
  const head = Buffer.alloc(arrays.sparse[entry] ? 0 : Math.min(HEAD, size));
  if (!file || data + head.length > file.size) return Buffer.alloc(0);
  file.readAt(data, head, 0, head.length);
  return head;
}

function sameHead(image: LintImage, inode: number, head: Buffer): boolean {
  const found = Buffer.alloc(head.length);
  const count = image.tree.read(inode, 0, found, 0, head.length);
  return count === head.length && found.equals(head);
}

function secretRule(id: string, severity: Severity, hidden: boolean): Rule {
  return {
    id,
    severity,
    async *check(image) {
      for (const secret of (await searchOf(image)).found) if (secret.hidden === hidden) yield hitOf(secret);
    },
  };
}

function hitOf({ path, layer, kind, hidden }: Secret): Hit {
  if (hidden) {
    return {
      path,
      message: `Layer ${layer + 1} of the image still holds ${shown(path)} with ${kind.what}, though a later layer removes or replaces it: whoever gets the image can read it.`,
      fix: 'Make the image without it (RUN --mount=type=secret, or a stage of its own in the build), squash it, and change the secret.',
    };
  }
  return {
    path,
    message: `${shown(path)} holds ${kind.what}: whoever gets the image, and every node that boots it, can read it.`,
    fix: 'Take it out in the step that makes it, give it to nodes through /persist or a copy, and change the secret.',
  };
}

const unchecked: Rule = {
  id: 'secrets.unchecked',
  severity: 'info',
  async *check(image) {
    if ((await searchOf(image)).complete) return;
    yield {
      path: '/',
      message: `The layers have more than ${MAX_READS} files that could be keys or passwords: the others were not looked into.`,
      fix: 'Take out of the image what it does not need.',
    };
  },
};

export const secretRules: readonly Rule[] = [
  secretRule('secrets.in-image', 'warning', false),
  secretRule('secrets.in-layer', 'warning', true),
  unchecked,
];
