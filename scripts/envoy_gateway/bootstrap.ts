/** The bootstrap of a proxy of Envoy Gateway, as docs/envoy-gateway.md has it: delta ADS over mutual TLS on port 18000. */
import path from 'node:path';
import { type Json, loopback } from '../../test/support/bootstrap.ts';

/** `certificates`: the folder that `envoy-gateway certgen --local` wrote. */
export function gatewayBootstrap(certificates: string, node: string, more: Json = {}): Json {
  const file = (name: string) => ({ filename: path.join(certificates, 'envoy', name) });
  const ads = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    node: { id: node, cluster: 'default/eg' },
    admin: { address: loopback() },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds_cluster' } }],
      },
      lds_config: ads,
      cds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds_cluster',
          type: 'STRICT_DNS',
          connect_timeout: '10s',
          load_assignment: {
            cluster_name: 'xds_cluster',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(18_000) } }] }],
          },
          typed_extension_protocol_options: {
            [options]: {
              '@type': `type.googleapis.com/${options}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
              common_tls_context: {
                // Envoy Gateway speaks nothing older, and Envoy's clients nothing newer than 1.2 unless told.
                tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
                tls_certificates: [{ certificate_chain: file('tls.crt'), private_key: file('tls.key') }],
                validation_context: { trusted_ca: file('ca.crt') },
              },
            },
          },
        },
      ],
    },
    ...more,
  };
}
