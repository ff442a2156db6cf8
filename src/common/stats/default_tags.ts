/** The tags Envoy finds in the names of statistics unless `stats_config` says otherwise: `cluster.a.x` is `cluster.x` of cluster a. */

/** Finds one tag: what it takes out of the name and the tag's value. */
type Extractor = (name: string) => { readonly start: number; readonly end: number; readonly value: string } | undefined;

const address = String.raw`(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)`;
const any = '[^.]+';
const cipher = String.raw`[\w-]+`;

/** Group 1 is taken out, group 2 is the value. */
function pattern(source: string, except?: string): Extractor {
  const compiled = new RegExp(source, 'd');
  return (name) => {
    const found = compiled.exec(name);
    if (found === null || found[2] === except) return undefined;
    const [start, end] = found.indices![1]!;
    return { start, end, value: found[2] };
  };
}

/** `*` is one part of the name, `**` one or more, `$` the part that is taken out together with a dot. */
function tokens(template: string): Extractor {
  const parts = template.split('.').map((token) => {
    if (token === '**') return '.+';
    if (token === '*') return any;
    return token === '$' ? `(?<value>${any})` : token;
  });
  const compiled = new RegExp(`^${parts.join('\\.')}$`, 'd');
  return (name) => {
    const found = compiled.exec(name);
    if (found === null) return undefined;
    const [start, end] = found.indices!.groups!['value'];
    return { start, end: Math.min(end + 1, name.length), value: found.groups!['value'] };
  };
}

export type TagRule = readonly [tag: string, extract: Extractor];

/** Rules for every name; Envoy tries them before those of the name's first part. */
export const generalTags: readonly TagRule[] = [
  ['envoy.response_code', pattern(String.raw`_rq(_(\d{3}))$`)],
  ['envoy.response_code_class', pattern(String.raw`_rq_((\d))xx$`)],
  ['envoy.local_http_ratelimit_prefix', tokens('$.http_local_rate_limit.**')],
];

const workerId: TagRule = [
  'envoy.worker_id',
  pattern(
    String.raw`^(?:listener\.(?:${address}|${any})\.|server\.|listener_manager\.|thread_local_cluster_manager\.)worker_((\d+)\.)`,
  ),
];

function sslRules(scope: string): TagRule[] {
  return [
    ['envoy.tls_certificate', pattern(String.raw`^${scope}\..*?\.ssl\.certificate\.((${any})\.).*$`)],
    ['envoy.ssl_curve', pattern(String.raw`^${scope}\..*?\.ssl\.curves(\.(${cipher}))$`)],
    ['envoy.ssl_sigalg', pattern(String.raw`^${scope}\..*?\.ssl\.sigalgs(\.(${cipher}))$`)],
    ['envoy.ssl_version', pattern(String.raw`^${scope}\..*?\.ssl\.versions(\.(TLSv\d\.\d))$`)],
  ];
}

/** Rules by the first part of the name they apply to, in Envoy's order. */
export const tagsByScope: ReadonlyMap<string, readonly TagRule[]> = new Map<string, readonly TagRule[]>([
  [
    'cluster',
    [
      ...sslRules('cluster'),
      ['cipher_suite', pattern(String.raw`^cluster\.${any}\.ssl\.ciphers(\.(${cipher}))$`)],
      ['envoy.grpc_bridge_method', tokens('cluster.*.grpc.*.$.**')],
      ['envoy.grpc_bridge_service', tokens('cluster.*.grpc.$.**')],
      ['envoy.cluster_name', tokens('cluster.$.**')],
      ['envoy.ext_authz_prefix', tokens('cluster.*.ext_authz.$.**')],
      ['envoy.health_check_name', pattern(String.raw`^cluster\.${any}\.health_check(\.name\.(${any}))\..+`)],
    ],
  ],
  [
    'http',
    [
      [
        'envoy.dynamo_partition_id',
        pattern(String.raw`^http\.${any}\.dynamodb\.table\.${any}\.capacity\.${any}(\.__partition_id=(\w{7}))$`),
      ],
      [
        'envoy.dynamo_operation',
        pattern(String.raw`^http\.${any}\.dynamodb.(?:operation|table\.${any}\.capacity)(\.(${any}))(?:\.|$)`),
      ],
      ['envoy.dynamo_table', pattern(String.raw`^http\.${any}\.dynamodb.(?:table|error)\.((${any})\.)`)],
      ['envoy.rds_route_config', pattern(String.raw`^http\.${any}\.rds\.(([\w.-]+)\.)\w+?$`)],
      ['envoy.scoped_rds_config', pattern(String.raw`^http\.${any}\.scoped_rds\.(([\w.-]+)\.)\w+?$`)],
      ['envoy.http_user_agent', tokens('http.*.user_agent.$.**')],
      ['envoy.fault_downstream_cluster', tokens('http.*.fault.$.**')],
      ['envoy.ext_authz_prefix', tokens('http.*.ext_authz.$.**')],
      ['envoy.http_conn_manager_prefix', tokens('http.$.**')],
    ],
  ],
  ['sds', [['envoy.xds_resource_name', pattern(String.raw`^sds\.((${any})\.).+`)]]],
  [
    'listener',
    [
      workerId,
      ...sslRules('listener'),
      ['envoy.ssl_cipher', pattern(String.raw`^listener\..*?\.ssl\.ciphers(\.(${cipher}))$`)],
      ['envoy.http_conn_manager_prefix', pattern(String.raw`^listener\..*?\.http\.((${any})\.)`)],
      ['envoy.listener_address', pattern(String.raw`^listener\.((${address}|${any})\.)`, 'admin')],
    ],
  ],
  [
    'vhost',
    [
      ['envoy.virtual_cluster', tokens('vhost.*.vcluster.$.**')],
      ['envoy.virtual_host', tokens('vhost.$.**')],
      ['envoy.route', tokens('vhost.*.route.$.**')],
    ],
  ],
  [
    'mongo',
    [
      ['envoy.mongo_callsite', tokens('mongo.*.collection.*.callsite.$.query.**')],
      ['envoy.mongo_collection', tokens('mongo.*.collection.$.**.query.*')],
      ['envoy.mongo_cmd', tokens('mongo.*.cmd.$.**')],
      ['envoy.mongo_prefix', tokens('mongo.$.**')],
    ],
  ],
  ['listener_manager', [workerId]],
  ['server', [workerId]],
  ['thread_local_cluster_manager', [workerId]],
  ['tcp', [['envoy.tcp_prefix', tokens('tcp.$.**')]]],
  ['udp', [['envoy.udp_prefix', tokens('udp.$.**')]]],
  ['auth', [['envoy.clientssl_prefix', tokens('auth.clientssl.$.**')]]],
  ['ratelimit', [['envoy.ratelimit_prefix', tokens('ratelimit.$.**')]]],
  ['thrift', [['envoy.thrift_prefix', tokens('thrift.$.**')]]],
  ['redis', [['envoy.redis_prefix', tokens('redis.$.**')]]],
  ['local_rate_limit', [['envoy.local_network_ratelimit_prefix', tokens('local_rate_limit.$.**')]]],
  ['listener_local_ratelimit', [['envoy.local_listener_ratelimit_prefix', tokens('listener_local_ratelimit.$.**')]]],
  ['connection_limit', [['envoy.connection_limit_prefix', tokens('connection_limit.$.**')]]],
  [
    'proxy_proto',
    [
      ['envoy.proxy_protocol_prefix', pattern(String.raw`^proxy_proto\.((${any})\.).+$`, 'versions')],
      ['envoy.proxy_protocol_version', pattern(String.raw`^proxy_proto\.((?:${any}\.)?versions\.v(\d)\.)\w+$`)],
    ],
  ],
  ['dns_filter', [['envoy.dns_filter_prefix', tokens('dns_filter.$.**')]]],
]);
