/** What nuncio honours of listener filters, filter chains and network filters other than HTTP; part of supported.ts. */
import type { SupportedRow } from './supported.ts';

export const supportedConnections: { readonly [message: string]: SupportedRow } = {
  'config.listener.v3.ListenerFilter': ['name typed_config config_discovery filter_disabled'],
  'config.listener.v3.ListenerFilterChainMatchPredicate': ['*'],
  'config.listener.v3.FilterChainMatch': [
    'destination_port prefix_ranges direct_source_prefix_ranges source_type source_prefix_ranges source_ports server_names ' +
      'transport_protocol application_protocols',
  ],
  'config.core.v3.CidrRange': ['*'],

  // A listener's filter_chain_matcher, over the network inputs
  'xds.type.matcher.v3.Matcher': ['matcher_list matcher_tree on_no_match'],
  'xds.type.matcher.v3.Matcher.OnMatch': ['matcher action keep_matching'],
  'xds.type.matcher.v3.Matcher.MatcherList': ['matchers'],
  'xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher': ['predicate on_match'],
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate': ['single_predicate or_matcher and_matcher not_matcher'],
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate': ['input value_match'],
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList': ['predicate'],
  'xds.type.matcher.v3.Matcher.MatcherTree': ['input exact_match_map prefix_match_map custom_match'],
  'xds.type.matcher.v3.Matcher.MatcherTree.MatchMap': ['map'],
  'xds.type.matcher.v3.StringMatcher': ['exact prefix suffix safe_regex contains ignore_case'],
  'xds.type.matcher.v3.RegexMatcher': ['*'],
  'xds.type.matcher.v3.IPMatcher': ['range_matchers'],
  'xds.type.matcher.v3.IPMatcher.IPRangeMatcher': ['ranges on_match exclusive'],
  'xds.type.matcher.v3.ServerNameMatcher': ['domain_matchers'],
  'xds.type.matcher.v3.ServerNameMatcher.DomainMatcher': ['domains on_match'],
  'xds.core.v3.CidrRange': ['*'],
  'xds.core.v3.TypedExtensionConfig': ['name typed_config'],
  'google.protobuf.StringValue': ['*'],
  'extensions.matching.common_inputs.network.v3.DestinationIPInput': ['*'],
  'extensions.matching.common_inputs.network.v3.DestinationPortInput': ['*'],
  'extensions.matching.common_inputs.network.v3.SourceIPInput': ['*'],
  'extensions.matching.common_inputs.network.v3.SourcePortInput': ['*'],
  'extensions.matching.common_inputs.network.v3.DirectSourceIPInput': ['*'],
  'extensions.matching.common_inputs.network.v3.SourceTypeInput': ['*'],
  'extensions.matching.common_inputs.network.v3.ServerNameInput': ['*'],
  'extensions.matching.common_inputs.network.v3.TransportProtocolInput': ['*'],
  'extensions.matching.common_inputs.network.v3.ApplicationProtocolInput': ['*'],
  'extensions.matching.common_inputs.network.v3.FilterStateInput': ['key'],
  'extensions.matching.common_inputs.network.v3.DynamicMetadataInput': ['*'],

  // Listener filters
  'extensions.filters.listener.tls_inspector.v3.TlsInspector': [
    'enable_ja3_fingerprinting enable_ja4_fingerprinting close_connection_on_client_hello_parsing_errors max_client_hello_size',
    // Everything is read at once.
    'initial_read_buffer_size',
  ],
  'extensions.filters.listener.http_inspector.v3.HttpInspector': ['*'],
  'extensions.filters.listener.proxy_protocol.v3.ProxyProtocol': [
    'rules allow_requests_without_proxy_protocol pass_through_tlvs disallowed_versions stat_prefix tlv_location',
  ],
  'extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule': ['*'],
  'config.core.v3.ProxyProtocolPassThroughTLVs': ['*'],
  // Refused with a reason by its factory.
  'extensions.filters.listener.original_dst.v3.OriginalDst': ['*'],
  'extensions.filters.listener.local_ratelimit.v3.LocalRateLimit': ['stat_prefix token_bucket runtime_enabled'],
  'extensions.filters.listener.set_filter_state.v3.Config': ['on_accept'],
  'extensions.filters.common.set_filter_state.v3.FilterStateValue': [
    'object_key factory_key format_string skip_if_empty',
    // Whoever may write it does, and connections to hosts are not shared between clients by it.
    'read_only shared_with_upstream',
  ],
  'type.v3.TokenBucket': ['*'],
  'config.core.v3.RuntimeFeatureFlag': ['*'],

  // PROXY protocol towards hosts
  'extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport': ['config transport_socket'],
  'config.core.v3.ProxyProtocolConfig': ['version pass_through_tlvs added_tlvs'],
  'config.core.v3.ProxyProtocolConfig.added_tlvs': ['type value'],
  'config.core.v3.TlvEntry': ['type value format_string'],

  // Connections stay in clear, as said in a warning: the TLS of it is checked, and not used.
  'extensions.transport_sockets.starttls.v3.StartTlsConfig': ['cleartext_socket_config tls_socket_config'],
  'extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig': ['cleartext_socket_config tls_socket_config'],

  // Network filters
  'extensions.filters.network.connection_limit.v3.ConnectionLimit': [
    'stat_prefix max_connections delay runtime_enabled',
  ],
  'extensions.filters.network.direct_response.v3.Config': ['response'],
  'extensions.filters.network.echo.v3.Echo': ['*'],
  'extensions.filters.network.local_ratelimit.v3.LocalRateLimit': [
    'stat_prefix token_bucket runtime_enabled share_key',
  ],
  'extensions.filters.network.set_filter_state.v3.Config': ['on_new_connection on_downstream_tls_handshake'],
  'extensions.filters.network.sni_cluster.v3.SniCluster': ['*'],
};
