/** Counts what happens to TLS connections under Envoy's names, below `listener.<address>.ssl.` or `cluster.<name>.ssl.`. */
import { SSL } from '../../common/stats/ssl_layouts.ts';
import type { StatHandle, StatsStore } from '../../spi/stats.ts';

export class TlsStats {
  readonly block: Float64Array;
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly named = new Map<string, StatHandle>();

  /** `scope` ends with its dot: `listener.0.0.0.0_443.`. */
  constructor(store: StatsStore, scope: string) {
    this.store = store;
    this.prefix = `${scope}ssl.`;
    this.block = store.block(SSL, this.prefix);
  }

  count(name: keyof typeof SSL.slot): void {
    this.block[SSL.slot[name]]++;
  }

  /** One of `ciphers`, `curves`, `sigalgs`, `versions`. The values are the engine's, few and fixed. */
  countNamed(kind: string, value: string): void {
    const name = `${kind}.${value}`;
    let handle = this.named.get(name);
    if (handle === undefined) {
      handle = this.store.counter(this.prefix + name);
      this.named.set(name, handle);
    }
    handle.values[handle.index]++;
  }
}

const schemes: Readonly<Record<string, string>> = {
  prime256v1: 'ecdsa_secp256r1_sha256',
  secp384r1: 'ecdsa_secp384r1_sha384',
  secp521r1: 'ecdsa_secp521r1_sha512',
};

/** The algorithm of a peer's signature: Node does not tell it, but our preference and the curve of its key decide it nearly always. */
export function likelyScheme(curve: string | undefined): string {
  return schemes[curve ?? ''] ?? 'rsa_pss_rsae_sha256';
}
