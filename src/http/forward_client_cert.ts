/** Step 5 of the data path: x-forwarded-client-cert, what a client's certificate says for whoever stands behind. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { X_FORWARDED_CLIENT_CERT } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { TlsInfo } from '../common/stream_info.ts';
import { toWire } from '../common/wire_string.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

/** Values of ForwardClientCertDetails. */
const Forward = { Sanitize: 0, ForwardOnly: 1, AppendForward: 2, SanitizeSet: 3, AlwaysForwardOnly: 4 } as const;

/** Undefined where the header is always taken out, which is the default. */
export function compileForwardClientCert(message: Message): ForwardClientCert | undefined {
  const { forwardClientCertDetails: mode, setCurrentClientCertDetails: details } = message;
  return mode === Forward.Sanitize ? undefined : new ForwardClientCert(mode, details);
}

export class ForwardClientCert {
  private readonly mode: number;
  private readonly details: Message['setCurrentClientCertDetails'];
  /** Of the session seen last: requests of one connection come after each other. */
  private session: TlsInfo | undefined;
  private text = '';

  constructor(mode: number, details: Message['setCurrentClientCertDetails']) {
    this.mode = mode;
    this.details = details;
  }

  apply(headers: HeaderMap, session: TlsInfo | undefined): void {
    if (this.mode === Forward.AlwaysForwardOnly) return;
    if (session?.peerCertificatePresented !== true) {
      headers.remove(X_FORWARDED_CLIENT_CERT);
      return;
    }
    if (this.mode === Forward.ForwardOnly) return;
    const text = this.textOf(session);
    const before = this.mode === Forward.AppendForward ? (headers.getAll(X_FORWARDED_CLIENT_CERT) ?? '') : '';
    headers.set(X_FORWARDED_CLIENT_CERT, before === '' ? text : `${before},${text}`);
  }

  private textOf(session: TlsInfo): string {
    if (session !== this.session) {
      this.session = session;
      this.text = this.describe(session);
    }
    return this.text;
  }

  /** Subject and URI are named even when they are empty, the others are not. */
  private describe(session: TlsInfo): string {
    const { details } = this;
    const parts = session.localUriSans.map((uri) => `By=${uri}`);
    if (session.peerFingerprint256 !== '') parts.push(`Hash=${session.peerFingerprint256}`);
    if (details?.cert === true && session.peerPem) parts.push(`Cert="${session.peerPem}"`);
    if (details?.chain === true && session.peerChainPem) parts.push(`Chain="${session.peerChainPem}"`);
    if (details?.subject === true) parts.push(`Subject="${session.peerSubject}"`);
    if (details?.uri === true) {
      const uris = session.peerUriSans.length === 0 ? [''] : session.peerUriSans;
      for (const uri of uris) parts.push(`URI=${uri}`);
    }
    if (details?.dns === true) for (const dns of session.peerDnsSans) parts.push(`DNS=${dns}`);
    // A certificate may hold any character; a header may not.
    return toWire(parts.filter((part) => !/[\0\r\n]/.test(part)).join(';'));
  }
}
