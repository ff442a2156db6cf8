/** Step 5 of the data path: x-forwarded-client-cert, what a client's certificate says for whoever stands behind. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { X_FORWARDED_CLIENT_CERT } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { TlsInfo } from '../common/stream_info.ts';
import { toWire } from '../common/wire_string.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

/** Values of ForwardClientCertDetails. */
const Forward = { Sanitize: 0, ForwardOnly: 1, AppendForward: 2, SanitizeSet: 3, AlwaysForwardOnly: 4 } as const;

/** The value of ForwardClientCertFormat for a list of JSON objects; the other is Envoy's own text. */
const asJson = 1;

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
  private json = '';

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
    const before = this.mode === Forward.AppendForward ? (headers.getAll(X_FORWARDED_CLIENT_CERT) ?? '') : '';
    headers.set(X_FORWARDED_CLIENT_CERT, this.behind(before.trim(), session));
  }

  /** What is there already goes on in its own format. */
  private behind(before: string, session: TlsInfo): string {
    if (before === '') return this.details?.format === asJson ? `[${this.jsonOf(session)}]` : this.textOf(session);
    if (!before.startsWith('[') || !before.endsWith(']')) return `${before},${this.textOf(session)}`;
    const list = before.slice(0, -1);
    // Envoy puts a comma behind an empty list too, and nobody can read that.
    return list.trim() === '[' ? `[${this.jsonOf(session)}]` : `${list},${this.jsonOf(session)}]`;
  }

  private textOf(session: TlsInfo): string {
    this.remember(session);
    this.text ||= this.describe(session);
    return this.text;
  }

  private jsonOf(session: TlsInfo): string {
    this.remember(session);
    this.json ||= this.describeAsJson(session);
    return this.json;
  }

  private remember(session: TlsInfo): void {
    if (session === this.session) return;
    this.session = session;
    this.text = '';
    this.json = '';
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
    if (details?.issuer === true && session.peerIssuer !== '') parts.push(`Issuer="${session.peerIssuer}"`);
    // A certificate may hold any character; a header may not.
    return toWire(parts.filter((part) => !/[\0\r\n]/.test(part)).join(';'));
  }

  private describeAsJson(session: TlsInfo): string {
    const { details } = this;
    const list = (asked: boolean | undefined, values: readonly string[]) =>
      asked === true && values.length > 0 ? values : undefined;
    const text = (asked: boolean | undefined, value: string) => (asked === true && value !== '' ? value : undefined);
    return toWire(
      JSON.stringify({
        by: list(true, session.localUriSans),
        hash: text(true, session.peerFingerprint256),
        cert: text(details?.cert, decodePem(session.peerPem ?? '')),
        chain: list(details?.chain, splitPem(decodePem(session.peerChainPem ?? ''))),
        subject: text(details?.subject, session.peerSubject),
        uri: list(details?.uri, session.peerUriSans),
        dns: list(details?.dns, session.peerDnsSans),
        issuer: text(details?.issuer, session.peerIssuer),
      }),
    );
  }
}

function decodePem(encoded: string): string {
  return decodeURIComponent(encoded);
}

function splitPem(chain: string): string[] {
  return chain.match(/-----BEGIN [\s\S]*?-----END [^\n]*\n/g) ?? [];
}
