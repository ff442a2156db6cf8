/** TLS towards clients (step 3 of the data path): one object a filter chain; what it is made of may change while it serves. */
import type { X509Certificate } from 'node:crypto';
import type { Connection } from '../connection.ts';
import type { TlsHandshake, TlsStarter } from '../tls_starter.ts';
import { readCertificates } from './secure_contexts.ts';
import { ServerCertificates } from './server_certificates.ts';
import { ServerHandshake } from './server_handshake.ts';
import type { ServerTlsSettings } from './settings.ts';
import type { TlsStats } from './tls_stats.ts';
import { PeerVerifier } from './verify_peer.ts';

/** What the handshakes of one version of the settings share. */
export interface ServerContext {
  readonly settings: ServerTlsSettings;
  readonly certificates: ServerCertificates;
  readonly verifier: PeerVerifier | undefined;
  /** A certificate of the client is asked for. */
  readonly asksForCertificate: boolean;
}

export class ServerTls implements TlsStarter {
  readonly stats: TlsStats;
  private readonly onNotReady: () => void;
  private context: ServerContext | undefined;

  /** `onNotReady` is called for each connection that comes before the secrets have. */
  constructor(stats: TlsStats, onNotReady: () => void) {
    this.stats = stats;
    this.onNotReady = onNotReady;
  }

  /** Takes effect with the next connection; those that are open go on. Throws when OpenSSL refuses the settings; nothing changes then. */
  update(settings: ServerTlsSettings): void {
    const { validation } = settings;
    const authorities: X509Certificate[] =
      validation?.trustedCa === undefined ? [] : readCertificates(validation.trustedCa);
    const verifies =
      validation !== undefined &&
      (validation.trustedCa !== undefined || validation.hashes.length + validation.spki.length > 0);
    this.context = {
      settings,
      certificates: new ServerCertificates(settings),
      verifier: validation === undefined ? undefined : new PeerVerifier(validation, authorities),
      asksForCertificate: settings.requireClientCertificate || verifies,
    };
  }

  start(connection: Connection): TlsHandshake {
    if (this.context === undefined) this.onNotReady();
    return new ServerHandshake(connection, this.context, this.stats);
  }
}
