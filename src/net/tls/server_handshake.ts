/** One TLS handshake with a client: its hello is read first, because it decides on certificate, order of suites and ALPN. */
import { TLSSocket } from 'node:tls';
import { type ClientHello, ClientHelloReader, HelloStatus } from '../../../native-free/preamble/client_hello.ts';
import { tick } from '../../common/clock.ts';
import { connectionTag, logger } from '../../common/log.ts';
import { tlsGroups } from '../../common/tls/tls_groups.ts';
import type { Connection } from '../connection.ts';
import { runEvent } from '../event.ts';
import { tlsHighWater } from '../output.ts';
import type { TlsHandshake } from '../tls_starter.ts';
import { suiteOrder } from './cipher_suites.ts';
import { chainError, stapleOcsp, tellErrors } from './engine.ts';
import { alertReason, failureReason, isMissingCertificate, type TlsError } from './failure_reason.ts';
import { logKeys } from './key_log.ts';
import { abilitiesOf, type ClientAbilities, type ServerCertificate, sharedGroup } from './server_certificates.ts';
import type { ServerContext } from './server_tls.ts';
import { sessionGroupOf, sessionIdOf } from './session_asn1.ts';
import { SessionInfo } from './session_info.ts';
import { likelyScheme, type TlsStats } from './tls_stats.ts';

const log = logger('connection');

/** A hello may fill a record of each size that is allowed; what is longer is left to OpenSSL to refuse. */
const mostHello = 16_384 + 256;
/** A client may give up before its hello: the type of such a record, and where its description stands. */
const alertRecord = 21;
const alertAt = 6;
const unable: ClientAbilities = { tls13: false, wantsOcsp: false, ecdsaCurves: new Set() };

export class ServerHandshake implements TlsHandshake {
  private readonly connection: Connection;
  private readonly context: ServerContext | undefined;
  private readonly stats: TlsStats;
  private reader: ClientHelloReader | undefined = new ClientHelloReader(mostHello);
  private received: Buffer | undefined;
  private certificate: ServerCertificate | undefined;
  private serverName = '';
  /** What Node does not tell, if it is used. */
  private group: string | undefined;
  private failed = false;

  constructor(connection: Connection, context: ServerContext | undefined, stats: TlsStats) {
    this.connection = connection;
    this.context = context;
    this.stats = stats;
  }

  onBytes(bytes: Buffer, length: number): void {
    const { reader, context } = this;
    if (context === undefined) {
      this.connection.failTransport('TLS_error:Secret_is_not_supplied_by_SDS');
      return;
    }
    const piece = Buffer.from(bytes.subarray(0, length));
    this.received = this.received === undefined ? piece : Buffer.concat([this.received, piece]);
    if (reader === undefined || reader.push(bytes, 0, length) === HelloStatus.More) return;
    this.reader = undefined;
    this.begin(context, reader.hello, this.received);
    this.received = undefined;
  }

  onGone(): void {
    this.reader = undefined;
    this.received = undefined;
  }

  private begin(context: ServerContext, hello: ClientHello | undefined, received: Buffer): void {
    if (received[0] === alertRecord && received.length > alertAt) {
      this.stats.count('connection_error');
      this.fail(alertReason(received[alertAt]));
      return;
    }
    const { settings } = context;
    const client = hello === undefined ? unable : abilitiesOf(hello, settings.protocol.maxVersion === 'TLSv1.3');
    this.serverName = hello?.serverName ?? '';
    if (hello !== undefined) this.group = sharedGroup(hello, settings.protocol.curves);
    const certificate = context.certificates.choose(this.serverName, client);
    if (client.wantsOcsp) this.stats.count('ocsp_staple_requests');
    if (certificate === undefined) {
      this.stats.count('ocsp_staple_failed');
      this.fail('TLS_error:OCSP_staple_required');
      return;
    }
    this.certificate = certificate;
    const secureContext =
      client.tls13 || settings.preferClientCiphers
        ? certificate.contexts.forTls13()
        : certificate.contexts.forTls12(suiteOrder(settings.protocol.cipherSuites, hello?.cipherSuites ?? []));
    const { connection } = this;
    const transport = connection.socket;
    transport.pause();
    transport.unshift(received);
    const socket = new TLSSocket(transport, {
      isServer: true,
      secureContext,
      requestCert: context.asksForCertificate,
      rejectUnauthorized: settings.requireClientCertificate,
      // Node would end the handshake of a client that offers none of ours; Envoy goes on without.
      ALPNProtocols: settings.alpn.some((protocol) => hello?.alpn?.includes(protocol)) ? [...settings.alpn] : undefined,
      highWaterMark: tlsHighWater,
    } as never);
    if (client.wantsOcsp) this.staple(socket, certificate);
    if (settings.keyLog !== undefined) logKeys(connection, socket, settings.keyLog);
    connection.setTlsSocket(socket);
    socket.on('secure', () => runEvent(connection, () => this.onSecure(context, socket)));
    socket.on('_tlsError' as never, (error: TlsError) => this.onError(error));
    socket.on('error', (error: TlsError) => this.onError(error));
    socket.on('data', (bytes: Buffer) => connection.onPrivateBytes(bytes));
  }

  private staple(socket: TLSSocket, certificate: ServerCertificate): void {
    const { staple, ocspAction } = certificate;
    const stapled = staple !== undefined && ocspAction === 'staple' && stapleOcsp(socket, staple);
    this.stats.count(stapled ? 'ocsp_staple_responses' : 'ocsp_staple_omitted');
  }

  private onSecure(context: ServerContext, socket: TLSSocket): void {
    tick();
    if (this.connection.isClosing || this.connection.tls !== undefined) return;
    const peer = context.asksForCertificate ? socket.getPeerX509Certificate() : undefined;
    let validated = false;
    if (peer !== undefined && context.verifier !== undefined) {
      const verdict = context.verifier.verify(peer, chainError(socket), '');
      if (verdict.counter !== undefined) this.stats.count(verdict.counter);
      if (verdict.refusal !== '') {
        this.fail(verdict.refusal);
        return;
      }
      validated = verdict.validated;
    } else if (peer === undefined && context.settings.requireClientCertificate) {
      this.stats.count('fail_verify_no_cert');
      this.fail('TLS_error:no_client_certificate');
      return;
    }
    tellErrors(socket);
    const version = socket.getProtocol() ?? '';
    const cipher = socket.getCipher().name;
    const curve = peer?.publicKey.asymmetricKeyDetails?.namedCurve;
    this.countHandshake(socket, version, cipher, peer !== undefined, curve);
    this.connection.onSecure(
      new SessionInfo({
        version,
        cipher,
        sessionId: version === 'TLSv1.3' ? '' : sessionIdOf(socket.getSession()),
        alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
        serverName: this.serverName,
        local: this.certificate?.names,
        peer,
        validated,
        group: tlsGroups.asked ? sessionGroupOf(socket.getSession()) : '',
        authorities: context.verifier,
      }),
    );
  }

  private countHandshake(
    socket: TLSSocket,
    version: string,
    cipher: string,
    hasPeer: boolean,
    curve: string | undefined,
  ): void {
    const { stats } = this;
    stats.count('handshake');
    if (socket.isSessionReused()) stats.count('session_reused');
    if (!hasPeer) stats.count('no_certificate');
    else if (!socket.isSessionReused()) stats.countNamed('sigalgs', likelyScheme(curve));
    stats.countNamed('ciphers', cipher);
    const agreed = version === 'TLSv1.3' || cipher.startsWith('ECDHE');
    if (agreed && this.group !== undefined) stats.countNamed('curves', this.group);
    stats.countNamed('versions', version);
  }

  /** After the handshake too: a bad record, an alert. */
  private onError(error: TlsError): void {
    const reason = failureReason(error);
    if (reason === '' || this.failed) return;
    this.failed = true;
    this.stats.count(isMissingCertificate(error) ? 'fail_verify_no_cert' : 'connection_error');
    this.fail(reason);
  }

  private fail(reason: string): void {
    const { connection } = this;
    this.failed = true;
    if (log.debugOn)
      log.debug(`${connectionTag(connection.id)}remote address:${connection.remoteAddress.text},${reason}`);
    connection.failTransport(reason);
  }
}
