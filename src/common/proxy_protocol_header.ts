/** The PROXY protocol header a configuration asks for (envoy.config.core.v3.ProxyProtocolConfig), for one client connection. */
import type { ProxyEndpoint, ProxyTlv } from '../../native-free/preamble/proxy_protocol.ts';
import { proxyV1Header, proxyV2Header, proxyV2LocalHeader } from '../../native-free/preamble/proxy_protocol_writer.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { ConnectionInfo } from './stream_info.ts';

/** Writes the header of a client; UNIX sockets and connections that are not known have no addresses to tell. */
export type ProxyHeaderWriter = (client: ConnectionInfo | undefined) => Buffer;

/** envoy.config.core.v3.ProxyProtocolConfig.Version. */
const Version2 = 1;

export function compileProxyHeader(config: envoy.config.core.v3.ProxyProtocolConfig): ProxyHeaderWriter {
  const tlvs: ProxyTlv[] = config.addedTlvs.map(({ type, value }) => ({ type, value }));
  return (client) => {
    const ends = endsOf(client);
    if (config.version !== Version2) {
      return Buffer.from(
        ends === undefined ? 'PROXY UNKNOWN\r\n' : proxyV1Header(ends.source, ends.destination),
        'latin1',
      );
    }
    return Buffer.from(
      ends === undefined ? proxyV2LocalHeader() : proxyV2Header(ends.source, ends.destination, tlvs).bytes,
    );
  };
}

interface Ends {
  readonly source: ProxyEndpoint;
  readonly destination: ProxyEndpoint;
}

function endsOf(client: ConnectionInfo | undefined): Ends | undefined {
  if (client === undefined) return undefined;
  const { remoteAddress: source, localAddress: destination } = client;
  const together =
    source.ip !== '' && destination.ip !== '' && source.ip.includes(':') === destination.ip.includes(':');
  return together ? { source, destination } : undefined;
}
