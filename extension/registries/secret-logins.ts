import type * as vscode from 'vscode';
import * as z from 'zod';
import type { Credentials, CredentialSource } from '../../backend/api/registries.ts';

const Login = z.object({ username: z.string(), password: z.string() });
export type Login = z.infer<typeof Login>;

const HOSTS = 'bootyard.registryHosts';

/** Logins of registries, kept by the editor in the keyring of its machine; hosts are told by name and port. */
export class SecretLogins {
  readonly #secrets: vscode.SecretStorage;
  /** which hosts there are: a secret storage does not tell */
  readonly #memory: vscode.Memento;

  constructor({ secrets, globalState }: Pick<vscode.ExtensionContext, 'secrets' | 'globalState'>) {
    this.#secrets = secrets;
    this.#memory = globalState;
  }

  hosts(): string[] {
    return z.array(z.string()).catch([]).parse(this.#memory.get(HOSTS, []));
  }

  async set(host: string, login: Login): Promise<void> {
    await this.#secrets.store(keyOf(host), JSON.stringify(login));
    await this.#memory.update(HOSTS, [...new Set([...this.hosts(), host])].toSorted());
  }

  async remove(host: string): Promise<void> {
    await this.#secrets.delete(keyOf(host));
    const others = this.hosts().filter((other) => other !== host);
    await this.#memory.update(HOSTS, others);
  }

  async get(host: string): Promise<Credentials | undefined> {
    const kept = await this.#secrets.get(keyOf(host));
    const login = kept === undefined ? undefined : Login.safeParse(JSON.parse(kept)).data;
    return login && credentialsOf(login);
  }

  /** These logins, and for other hosts what `others` knows. */
  source(others: CredentialSource): CredentialSource {
    return async (host, signal) => (await this.get(host)) ?? (await others(host, signal));
  }
}

export function credentialsOf({ username, password }: Login): Credentials {
  return { username, secret: password, isToken: false, from: ' in this editor' };
}

function keyOf(host: string): string {
  return `bootyard.registry:${host}`;
}
