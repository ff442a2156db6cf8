/** TLS towards hosts (step 9 of the data path): one object a cluster; what it is made of may change while it serves. */
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { tick } from '../../common/clock.ts';
import { connectionTag, logger } from '../../common/log.ts';
import { tlsGroups } from '../../common/tls/tls_groups.ts';
import type { TlsConnectOptions, TlsConnector, TlsPeer } from '../connect.ts';
import type { Connection } from '../connection.ts';
import { runEvent } from '../event.ts';
import { tlsHighWater } from '../output.ts';
import type { TlsHandshake } from '../tls_starter.ts';
import { chainError } from './engine.ts';
import { failureReason, type TlsError } from './failure_reason.ts';
import { logKeys } from './key_log.ts';
import { cipherList, contextOptions, readCertificates } from './secure_contexts.ts';
import { sessionGroupOf, sessionIdOf } from './session_asn1.ts';
import { CertificateNames, SessionInfo } from './session_info.ts';
import type { ClientTlsSettings } from './settings.ts';
import { likelyScheme, type TlsStats } from './tls_stats.ts';
import { PeerVerifier, type Verdict } from './verify_peer.ts';

const log = logger('connection');

/** What the handshakes of one version of the settings share. */
interface ClientContext {
  readonly settings: ClientTlsSettings;
  readonly secureContext: SecureContext;
  readonly verifier: PeerVerifier | undefined;
  readonly local: CertificateNames | undefined;
  /** By host and server name, the latest last. */
  readonly sessions: Map<string, Buffer[]>;
}

const noCertificate: Verdict = { validated: false, counter: 'fail_verify_error', refusal: 'TLS_error:no_certificate' };
/** Hosts whose sessions are kept. */
const mostHosts = 1024;

export class ClientTls implements TlsConnector {
  readonly stats: TlsStats;
  private readonly onNotReady: () => void;
  private context: ClientContext | undefined;
  private made: { socket: TLSSocket; peer: TlsPeer; serverName: string; context: ClientContext } | undefined;

  /** `onNotReady` is called for each connection that is wanted before the secrets have come. */
  constructor(stats: TlsStats, onNotReady: () => void) {
    this.stats = stats;
    this.onNotReady = onNotReady;
  }

  /** Takes effect with the next connection. Throws when OpenSSL refuses the settings; nothing changes then. */
  update(settings: ClientTlsSettings): void {
    const { protocol, certificate, validation } = settings;
    const authorities = validation?.trustedCa === undefined ? [] : readCertificates(validation.trustedCa);
    const local = certificate === undefined ? undefined : readCertificates(certificate.chain)[0];
    const verifier = validation === undefined ? undefined : new PeerVerifier(validation, authorities);
    this.context = {
      settings,
      secureContext: createSecureContext({
        ...contextOptions(protocol, certificate, validation),
        ciphers: cipherList(protocol, protocol.cipherSuites.flat()),
        ...(settings.allowRenegotiation && { secureOptions: 0 }),
      }),
      verifier,
      local: local === undefined ? undefined : new CertificateNames(local),
      sessions: new Map(),
    };
  }

  /** Undefined before the secrets have come. */
  connect({ where, onread, peer }: TlsConnectOptions): Socket | undefined {
    const { context } = this;
    if (context === undefined) {
      this.onNotReady();
      return undefined;
    }
    const { settings } = context;
    const serverName = serverNameOf(settings, peer);
    const alpn = settings.alpn.length > 0 ? settings.alpn : (peer.alpn ?? []);
    const socket = connectTls({
      ...where,
      secureContext: context.secureContext,
      servername: /^[\d.]+$|:/.test(serverName) ? '' : serverName,
      ALPNProtocols: alpn.length === 0 ? undefined : [...alpn],
      session: context.sessions.get(sessionKey(peer, serverName))?.pop(),
      // Verified by us: Node does not know of hashes, and would ask for the name of the address.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      minDHSize: 1,
      keepAlive: false,
      allowHalfOpen: true,
      highWaterMark: tlsHighWater,
      onread,
    } as never);
    this.made = { socket, peer, serverName, context };
    return socket;
  }

  start(connection: Connection): TlsHandshake {
    const { socket, peer, serverName, context } = this.made!;
    this.made = undefined;
    return new ClientHandshake(connection, socket, context, this.stats, peer, serverName);
  }
}

function serverNameOf(settings: ClientTlsSettings, peer: TlsPeer): string {
  if (peer.serverName !== undefined) return peer.serverName;
  return settings.autoHostSni && peer.hostname !== '' ? peer.hostname : settings.serverName;
}

function sessionKey(peer: TlsPeer, serverName: string): string {
  // What a session was verified for is part of it: it is not verified again.
  return `${peer.address}/${serverName}/${peer.verifiedName ?? ''}/${peer.alpn?.join() ?? ''}`;
}

class ClientHandshake implements TlsHandshake {
  private readonly connection: Connection;
  private readonly context: ClientContext;
  private readonly stats: TlsStats;
  private readonly peer: TlsPeer;
  private readonly serverName: string;
  private failed = false;
  /** The certificate was found good, or nobody asks. */
  private verified = false;
  private held: Buffer | undefined;

  constructor(
    connection: Connection,
    socket: TLSSocket,
    context: ClientContext,
    stats: TlsStats,
    peer: TlsPeer,
    serverName: string,
  ) {
    this.connection = connection;
    this.context = context;
    this.stats = stats;
    this.peer = peer;
    this.serverName = serverName;
    socket.on('secureConnect', () => runEvent(connection, () => this.onSecure(socket)));
    socket.on('error', (error: TlsError) => this.onError(error));
    const { keyLog } = context.settings;
    if (keyLog !== undefined) logKeys(connection, socket, keyLog);
    if (context.settings.maxSessionKeys > 0) socket.on('session', (session: Buffer) => this.keep(session));
  }

  /** The TLS socket was there from the beginning. */
  onBytes(): void {}

  onGone(): void {}

  private onSecure(socket: TLSSocket): void {
    tick();
    if (this.connection.isClosing) return;
    const { verifier, settings, local } = this.context;
    const certificate = socket.getPeerX509Certificate();
    let validated = false;
    // A session that is resumed was verified by these same settings when it began, as in Envoy.
    if (verifier !== undefined && !socket.isSessionReused()) {
      const name = this.peer.verifiedName ?? (settings.autoSanValidation ? this.serverName : '');
      const verdict: Verdict =
        certificate === undefined ? noCertificate : verifier.verify(certificate, chainError(socket), name);
      if (verdict.counter !== undefined) this.stats.count(verdict.counter);
      if (verdict.refusal !== '') {
        this.fail(verdict.refusal);
        return;
      }
      validated = verdict.validated;
    }
    this.verified = true;
    if (this.held !== undefined) this.keep(this.held);
    this.countHandshake(socket, certificate?.publicKey.asymmetricKeyDetails?.namedCurve);
    const version = socket.getProtocol() ?? '';
    this.connection.onSecure(
      new SessionInfo({
        version,
        cipher: socket.getCipher().name,
        sessionId: version === 'TLSv1.3' ? '' : sessionIdOf(socket.getSession()),
        alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
        serverName: this.serverName,
        local,
        peer: certificate,
        validated,
        // The session of TLS 1.3 comes only with its ticket.
        group: tlsGroups.asked ? sessionGroupOf(socket.getSession()) || (curveOf(socket) ?? '') : '',
        authorities: verifier,
      }),
    );
  }

  private countHandshake(socket: TLSSocket, curve: string | undefined): void {
    const { stats } = this;
    stats.count('handshake');
    if (socket.isSessionReused()) stats.count('session_reused');
    stats.countNamed('ciphers', socket.getCipher().name);
    stats.countNamed('versions', socket.getProtocol() ?? '');
    const agreed = curveOf(socket);
    if (agreed !== undefined) stats.countNamed('curves', agreed);
    if (!socket.isSessionReused()) stats.countNamed('sigalgs', likelyScheme(curve));
  }

  /** A session is resumed without another look at the certificate: that of a refused one must never be kept. */
  private keep(session: Buffer): void {
    if (!this.verified) {
      if (!this.failed) this.held = session;
      return;
    }
    const { sessions, settings } = this.context;
    const key = sessionKey(this.peer, this.serverName);
    const kept = sessions.get(key) ?? [];
    kept.push(session);
    if (kept.length > settings.maxSessionKeys) kept.shift();
    sessions.delete(key);
    sessions.set(key, kept);
    if (sessions.size > mostHosts) sessions.delete(sessions.keys().next().value!);
  }

  private onError(error: TlsError): void {
    const reason = failureReason(error);
    if (reason === '' || this.failed) return;
    this.stats.count('connection_error');
    this.fail(reason);
  }

  private fail(reason: string): void {
    const { connection } = this;
    this.failed = true;
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}remote address:${this.peer.address},${reason}`);
    connection.failTransport(reason);
  }
}

const curveNames: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

/** The group of the key exchange, as BoringSSL calls it. */
function curveOf(socket: TLSSocket): string | undefined {
  const key = socket.getEphemeralKeyInfo() as { name?: string } | null;
  return key?.name === undefined ? undefined : (curveNames[key.name] ?? key.name);
}
