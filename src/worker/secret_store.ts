/** The secrets this worker was given, and who wants to know when one changes (step 4 of the control path). */
import type { envoy } from '../api/envoy_types.ts';
import type { SecretSource } from '../spi/transport_socket.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;

interface Watcher {
  readonly keys: ReadonlySet<string>;
  readonly onChange: () => void;
}

export class SecretStore implements SecretSource {
  private readonly secrets = new Map<string, Secret>();
  private readonly watchers = new Set<Watcher>();

  get(key: string): Secret | undefined {
    return this.secrets.get(key);
  }

  watch(keys: readonly string[], onChange: () => void): () => void {
    const watcher = { keys: new Set(keys), onChange };
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Takes a generation's secrets in, then tells each watcher once: a key and its certificate change together. */
  apply(changed: ReadonlyMap<string, Secret>, removed: readonly string[]): void {
    for (const [key, secret] of changed) this.secrets.set(key, secret);
    for (const key of removed) this.secrets.delete(key);
    for (const { keys, onChange } of this.watchers) {
      for (const key of changed.keys()) {
        if (!keys.has(key)) continue;
        onChange();
        break;
      }
    }
  }
}
