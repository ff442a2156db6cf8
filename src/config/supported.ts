/**
 * What nuncio honours today, as data: a row for each message a configuration may use. A set field that is not in its row is
 * refused by name, so nobody runs a proxy that quietly ignores what it was told. To support more, extend a row.
 *
 * A row is `[honoured]` or `[honoured, harmless]`: field names separated by blanks; harmless fields change no behaviour and
 * are accepted with all that is in them. `codec_type=AUTO|HTTP1|HTTP2` limits the values; `*` takes every field and all below them. A row may be
 * keyed by `Message.field` for a message that means something else there. Names are without the leading `envoy.`.
 */

import { supportedConnections } from './supported_connections.ts';

export type SupportedRow = readonly [honoured: string, harmless?: string];

export const supported: { readonly [message: string]: SupportedRow } = {
  // Bootstrap
  'config.bootstrap.v3.Bootstrap': [
    'node static_resources dynamic_resources hds_config default_config_source admin layered_runtime cluster_manager ' +
      'dns_resolution_config typed_dns_resolver_config stats_config default_regex_engine application_log_config ' +
      'bootstrap_extensions overload_manager',
    // Sockets are Node's; what is not counted any more stays as it is.
    'default_socket_interface stats_eviction_interval stats_flush_on_admin ' +
      'flags_path stats_flush_interval watchdog watchdogs deferred_stat_options memory_allocator_manager perf_tracing_file_path',
  ],
  'config.metrics.v3.StatsConfig': [
    'stats_tags use_all_default_tags stats_matcher histogram_bucket_settings allow_default_tag_overrides',
  ],
  'config.metrics.v3.TagSpecifier': ['*'],
  'config.metrics.v3.StatsMatcher': ['*'],
  // Bins are allotted as values come.
  'config.metrics.v3.HistogramBucketSettings': ['match buckets', 'bins'],
  // Of resources only connections are watched; actions for the others there are none.
  'config.overload.v3.OverloadManager': ['resource_monitors', 'refresh_interval'],
  'config.overload.v3.ResourceMonitor': ['name typed_config'],
  'extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig': ['*'],
  'config.bootstrap.v3.Bootstrap.StaticResources': ['listeners clusters secrets'],
  'config.bootstrap.v3.Bootstrap.DynamicResources': ['lds_config cds_config ads_config'],

  // Discovery
  'config.core.v3.ConfigSource': [
    'path path_config_source api_config_source ads self initial_fetch_timeout resource_api_version',
  ],
  'config.core.v3.PathConfigSource': ['path watched_directory'],
  'config.core.v3.WatchedDirectory': ['*'],
  'config.core.v3.AggregatedConfigSource': ['*'],
  'config.core.v3.SelfConfigSource': ['*'],
  'config.core.v3.ApiConfigSource': [
    'api_type transport_api_version cluster_names grpc_services refresh_delay request_timeout rate_limit_settings ' +
      'set_node_on_first_message_only',
  ],
  'config.core.v3.RateLimitSettings': ['*'],
  'config.core.v3.GrpcService': ['envoy_grpc initial_metadata', 'timeout'],
  'config.core.v3.ApiConfigSource.grpc_services': ['envoy_grpc google_grpc initial_metadata', 'timeout'],
  'config.core.v3.GrpcService.GoogleGrpc': [
    'target_uri channel_credentials call_credentials stat_prefix credentials_factory_name=envoy.grpc_credentials.default ' +
      'channel_args',
    'per_stream_buffer_limit_bytes config',
  ],
  'config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials': ['ssl_credentials local_credentials'],
  'config.core.v3.GrpcService.GoogleGrpc.SslCredentials': ['*'],
  'config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials': ['*'],
  'config.core.v3.GrpcService.GoogleGrpc.CallCredentials': ['access_token'],
  'config.core.v3.GrpcService.GoogleGrpc.ChannelArgs': ['*'],
  'config.core.v3.GrpcService.EnvoyGrpc': [
    'cluster_name authority retry_policy',
    'max_receive_message_length skip_envoy_headers',
  ],
  'extensions.filters.network.http_connection_manager.v3.Rds': ['config_source route_config_name'],
  'extensions.filters.network.http_connection_manager.v3.ScopedRoutes': [
    'name scope_key_builder rds_config_source scoped_route_configurations_list scoped_rds',
  ],
  'extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder': ['*'],
  'extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList': [
    'scoped_route_configurations',
  ],
  'extensions.filters.network.http_connection_manager.v3.ScopedRds': ['scoped_rds_config_source'],
  'config.route.v3.ScopedRouteConfiguration': ['name on_demand route_configuration_name route_configuration key'],
  'config.route.v3.ScopedRouteConfiguration.Key': ['*'],
  'config.core.v3.HeaderValue': ['key value'],
  'config.core.v3.RetryPolicy': ['retry_back_off', 'num_retries'],

  'config.bootstrap.v3.ClusterManager': [
    'upstream_bind_config load_stats_config',
    // No cluster ejects hosts yet, so there are no events to log.
    'enable_deferred_cluster_creation outlier_detection',
  ],
  'config.bootstrap.v3.Bootstrap.ApplicationLogConfig': ['*'],
  'extensions.regex_engines.v3.GoogleRE2': ['*'],
  // Internal listeners and addresses are refused where they are used.
  'extensions.bootstrap.internal_listener.v3.InternalListener': ['*'],
  'extensions.network.socket_interface.v3.DefaultSocketInterface': ['*'],
  'config.bootstrap.v3.Admin': [
    'address access_log access_log_path allow_paths',
    'profile_path ignore_global_conn_limit',
  ],
  'config.core.v3.Node': [
    'id cluster locality metadata',
    'dynamic_parameters user_agent_name user_agent_version user_agent_build_version extensions client_features listening_addresses',
  ],
  'config.core.v3.Locality': ['*'],
  'config.bootstrap.v3.LayeredRuntime': ['layers'],
  'config.bootstrap.v3.RuntimeLayer': ['name static_layer disk_layer admin_layer rtds_layer'],
  'config.bootstrap.v3.RuntimeLayer.DiskLayer': ['*'],
  'config.bootstrap.v3.RuntimeLayer.RtdsLayer': ['name rtds_config'],
  'config.bootstrap.v3.RuntimeLayer.AdminLayer': ['*'],

  // Addresses
  'config.core.v3.Address': ['socket_address pipe'],
  // Refused with a reason: what Node does not do to a socket.
  'config.core.v3.SocketAddress': ['protocol=TCP address port_value network_namespace_filepath', 'ipv4_compat'],
  'config.core.v3.Pipe': ['path mode'],
  'config.core.v3.TcpKeepalive': ['*'],

  ...supportedConnections,

  // Listeners
  'config.listener.v3.Listener': [
    'name address additional_addresses stat_prefix filter_chains default_filter_chain per_connection_buffer_limit_bytes ' +
      'tcp_backlog_size access_log drain_type traffic_direction enable_reuse_port bind_to_port socket_options tcp_keepalive ' +
      // The last three are refused where they are switched on.
      'listener_filters listener_filters_timeout continue_on_listener_filters_timeout use_original_dst transparent freebind ' +
      'filter_chain_matcher ignore_global_conn_limit',
    // Nothing is shed under load; connections come one by one.
    'metadata reuse_port connection_balance_config tcp_fast_open_queue_length enable_mptcp ' +
      'bypass_overload_manager max_connections_to_accept_per_socket_event',
  ],
  'config.listener.v3.AdditionalAddress': ['address socket_options tcp_keepalive'],
  'config.core.v3.SocketOptionsOverride': ['socket_options'],
  // Which of them Node can set is checked by check_socket_options.ts.
  'config.core.v3.SocketOption': ['level name int_value buf_value', 'description state'],
  'config.listener.v3.FilterChain': [
    'filters filter_chain_match transport_socket transport_socket_connect_timeout',
    'name metadata',
  ],
  'config.listener.v3.Filter': ['name typed_config config_discovery'],
  'config.core.v3.ExtensionConfigSource': [
    'config_source default_config apply_default_config_without_warming type_urls',
  ],
  'config.core.v3.TransportSocket': ['name typed_config'],
  'extensions.transport_sockets.raw_buffer.v3.RawBuffer': ['*'],

  // TLS; what is left out, OpenSSL in Node cannot be told
  'extensions.transport_sockets.tls.v3.DownstreamTlsContext': [
    'common_tls_context require_client_certificate session_ticket_keys session_ticket_keys_sds_secret_config ' +
      'disable_stateless_session_resumption session_timeout ocsp_staple_policy full_scan_certs_on_sni_mismatch prefer_client_ciphers',
    // Sessions are resumed by ticket alone.
    'disable_stateful_session_resumption require_sni',
  ],
  'extensions.transport_sockets.tls.v3.UpstreamTlsContext': [
    'common_tls_context sni auto_host_sni auto_sni_san_validation max_session_keys allow_renegotiation',
    'enforce_rsa_key_usage',
  ],
  'extensions.transport_sockets.tls.v3.CommonTlsContext': [
    'tls_params tls_certificates tls_certificate_sds_secret_configs validation_context validation_context_sds_secret_config ' +
      'combined_validation_context alpn_protocols key_log',
  ],
  'extensions.transport_sockets.tls.v3.TlsKeyLog': ['*'],
  'extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext': [
    'default_validation_context validation_context_sds_secret_config',
  ],
  'extensions.transport_sockets.tls.v3.TlsParameters': [
    'tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves signature_algorithms ' +
      'compliance_policies=FIPS_202205|CNSA1_202603',
  ],
  'extensions.transport_sockets.tls.v3.TlsCertificate': [
    'certificate_chain private_key pkcs12 password ocsp_staple watched_directory',
    // Envoy takes them and staples none.
    'signed_certificate_timestamp',
  ],
  'extensions.transport_sockets.tls.v3.TlsSessionTicketKeys': ['keys'],
  'extensions.transport_sockets.tls.v3.CertificateValidationContext': [
    'trusted_ca system_root_certs watched_directory verify_certificate_spki verify_certificate_hash ' +
      'match_typed_subject_alt_names match_subject_alt_names max_verify_depth crl only_verify_leaf_cert_crl allow_expired_certificate trust_chain_verification suppress_client_ca_list',
  ],
  'extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts': ['*'],
  'extensions.transport_sockets.tls.v3.SubjectAltNameMatcher': [
    'san_type=EMAIL|DNS|URI|IP_ADDRESS|OTHER_NAME matcher oid',
  ],
  'extensions.transport_sockets.tls.v3.Secret': [
    'name tls_certificate session_ticket_keys validation_context generic_secret',
  ],
  'extensions.transport_sockets.tls.v3.GenericSecret': ['*'],
  'extensions.transport_sockets.tls.v3.SdsSecretConfig': ['name sds_config'],

  // HTTP connection manager
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': [
    'codec_type=AUTO|HTTP1|HTTP2 stat_prefix route_config rds scoped_routes http_filters access_log common_http_protocol_options http_protocol_options ' +
      'server_name server_header_transformation via max_request_headers_kb stream_idle_timeout request_timeout ' +
      'request_headers_timeout drain_timeout delayed_close_timeout use_remote_address xff_num_trusted_hops skip_xff_append ' +
      'generate_request_id preserve_external_request_id always_set_request_id_in_response proxy_100_continue ' +
      'upgrade_configs http1_safe_max_connection_duration normalize_path merge_slashes path_with_escaped_slashes_action ' +
      'original_ip_detection_extensions internal_address_config append_x_forwarded_port scheme_header_transformation ' +
      'add_user_agent early_header_mutation_extensions strip_any_host_port strip_matching_host_port ' +
      'strip_trailing_host_dot local_reply_config request_id_extension access_log_options access_log_flush_interval ' +
      'forward_client_cert_details set_current_client_cert_details ' +
      'flush_access_log_on_new_request http2_protocol_options stream_error_on_invalid_http_message stream_flush_timeout',
    'append_local_overload http3_protocol_options record_route_resolution_stats add_proxy_protocol_connection_state',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig': ['*'],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions': ['*'],
  'extensions.filters.network.http_connection_manager.v3.LocalReplyConfig': ['mappers body_format'],
  'extensions.filters.network.http_connection_manager.v3.ResponseMapper': [
    'filter status_code body headers_to_add body_format_override',
  ],
  'extensions.filters.network.http_connection_manager.v3.RequestIDExtension': ['typed_config'],
  'extensions.request_id.uuid.v3.UuidRequestIdConfig': ['*'],
  'extensions.http.original_ip_detection.xff.v3.XffConfig': ['*'],
  'extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig': ['*'],
  'extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation': ['mutations'],
  'config.common.mutation_rules.v3.HeaderMutation': ['remove append remove_on_match'],
  'config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch': ['key_matcher'],
  'config.core.v3.SchemeHeaderTransformation': ['scheme_to_overwrite'],
  'extensions.filters.network.http_connection_manager.v3.HttpFilter': [
    'name typed_config config_discovery disabled',
    'is_optional',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.common_http_protocol_options': [
    'idle_timeout max_connection_duration max_headers_count max_stream_duration headers_with_underscores_action ' +
      'max_requests_per_connection',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.http_protocol_options': [
    'allow_absolute_url accept_http_10 default_host_for_http_10 enable_trailers header_key_format allow_custom_methods',
    'use_balsa_parser',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.http2_protocol_options': [
    'hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size allow_connect ' +
      'max_outbound_frames max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload ' +
      'max_inbound_priority_frames_per_stream max_inbound_window_update_frames_per_data_frame_sent ' +
      'stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message connection_keepalive ' +
      'max_header_field_size_kb stream_reset_burst stream_reset_rate custom_settings_parameters',
    // There is one codec, it writes what is shorter, and METADATA is never taken.
    'use_oghttp2_codec enable_huffman_encoding max_metadata_size disallow_obs_text',
  ],
  'config.core.v3.KeepaliveSettings': ['*'],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails': [
    'subject cert chain dns uri issuer format',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig': [
    'upgrade_type filters enabled',
  ],
  'config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': ['proper_case_words stateful_formatter'],
  'config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': ['*'],
  'extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig': [
    'formatter_type_on_envoy_headers forward_reason_phrase',
  ],
  'config.core.v3.Http2ProtocolOptions': [
    'hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size allow_connect ' +
      'max_outbound_frames max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload ' +
      'max_inbound_priority_frames_per_stream max_inbound_window_update_frames_per_data_frame_sent ' +
      'stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message connection_keepalive ' +
      'max_header_field_size_kb stream_reset_burst stream_reset_rate custom_settings_parameters',
    // Envoy forbids obs-text in one of its two codecs, which is not the one it uses by default.
    'use_oghttp2_codec enable_huffman_encoding max_metadata_size disallow_obs_text',
  ],
  'config.core.v3.Http2ProtocolOptions.SettingsParameter': ['*'],
  'extensions.filters.http.router.v3.Router': [
    'suppress_envoy_headers respect_expected_rq_timeout strict_check_headers suppress_grpc_request_failure_code_stats',
    'dynamic_stats start_child_span',
  ],

  'extensions.filters.http.grpc_http1_bridge.v3.Config': ['*'],
  'extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig': ['*'],
  'extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute': ['*'],
  'extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder': ['*'],
  'extensions.filters.http.grpc_stats.v3.FilterConfig': ['*'],
  'extensions.filters.http.grpc_web.v3.GrpcWeb': ['*'],
  'extensions.filters.http.fault.v3.HTTPFault': [
    'delay abort upstream_cluster headers downstream_nodes max_active_faults response_rate_limit delay_percent_runtime ' +
      'abort_percent_runtime delay_duration_runtime abort_http_status_runtime max_active_faults_runtime ' +
      'response_rate_limit_percent_runtime abort_grpc_status_runtime disable_downstream_cluster_stats filter_metadata',
  ],
  'extensions.filters.http.fault.v3.FaultAbort': ['*'],
  'extensions.filters.common.fault.v3.FaultDelay': ['*'],
  'extensions.filters.common.fault.v3.FaultRateLimit': ['*'],
  'extensions.filters.http.health_check.v3.HealthCheck': ['pass_through_mode headers'],
  'extensions.filters.http.header_mutation.v3.HeaderMutation': ['mutations most_specific_header_mutations_wins'],
  'extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute': ['mutations'],
  'extensions.filters.http.header_mutation.v3.Mutations': [
    'request_mutations query_parameter_mutations response_mutations response_trailers_mutations request_trailers_mutations',
  ],
  'config.core.v3.KeyValueMutation': ['append remove'],
  'config.core.v3.KeyValueAppend': ['record entry action'],
  'config.core.v3.KeyValuePair': ['*'],
  'config.core.v3.KeyValue': ['*'],

  // Routes
  'config.route.v3.RouteConfiguration': [
    'name virtual_hosts validate_clusters request_headers_to_add request_headers_to_remove response_headers_to_add ' +
      'response_headers_to_remove most_specific_header_mutations_wins max_direct_response_body_size_bytes ' +
      'ignore_port_in_host_matching ignore_path_parameters_in_path_matching internal_only_headers request_mirror_policies ' +
      'typed_per_filter_config vhds',
    'metadata',
  ],
  'config.route.v3.Vhds': ['config_source'],
  'extensions.filters.http.on_demand.v3.OnDemand': ['odcds'],
  'extensions.filters.http.on_demand.v3.OnDemandCds': ['source timeout'],
  'extensions.filters.http.on_demand.v3.PerRouteConfig': ['odcds'],
  'config.route.v3.VirtualHost': [
    'name domains routes virtual_clusters require_tls retry_policy include_request_attempt_count include_attempt_count_in_response ' +
      'include_is_timeout_retry_header per_request_buffer_limit_bytes request_body_buffer_limit request_mirror_policies ' +
      'typed_per_filter_config hedge_policy ' +
      'request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove',
    'metadata',
  ],
  'config.route.v3.Route': [
    'name match stat_prefix route redirect direct_response request_headers_to_add request_headers_to_remove response_headers_to_add ' +
      'response_headers_to_remove per_request_buffer_limit_bytes request_body_buffer_limit typed_per_filter_config',
    'metadata decorator',
  ],
  'config.route.v3.VirtualCluster': ['headers name'],
  'config.route.v3.RouteMatch': [
    'prefix path safe_regex path_separated_prefix path_match_policy case_sensitive runtime_fraction headers query_parameters cookies grpc ' +
      'connect_matcher tls_context dynamic_metadata filter_state',
  ],
  'config.route.v3.RouteMatch.GrpcRouteMatchOptions': ['*'],
  'config.route.v3.RouteMatch.TlsContextMatchOptions': ['*'],
  'type.matcher.v3.MetadataMatcher': ['*'],
  'type.matcher.v3.FilterStateMatcher': ['key string_match'],
  'config.route.v3.HeaderMatcher': [
    'name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match string_match ' +
      'invert_match treat_missing_header_as_empty',
  ],
  'config.route.v3.QueryParameterMatcher': ['name string_match present_match'],
  'config.route.v3.CookieMatcher': ['name string_match invert_match'],
  'type.matcher.v3.StringMatcher': ['exact prefix suffix safe_regex contains ignore_case'],
  'type.matcher.v3.RegexMatcher': ['*'],
  'type.matcher.v3.RegexMatchAndSubstitute': ['*'],
  'type.v3.Int64Range': ['*'],
  'config.core.v3.RuntimeFractionalPercent': ['default_value runtime_key'],
  'type.v3.FractionalPercent': ['*'],
  'config.route.v3.RouteAction': [
    'cluster cluster_header weighted_clusters cluster_not_found_response_code prefix_rewrite regex_rewrite path_rewrite_policy ' +
      'host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex host_rewrite path_rewrite append_x_forwarded_host timeout ' +
      'idle_timeout retry_policy priority max_stream_duration upgrade_configs internal_redirect_policy request_mirror_policies ' +
      'max_grpc_timeout grpc_timeout_offset hedge_policy',
    // No load balancer asks for a hash or for subsets yet, and no host is sent early data.
    'hash_policy metadata_match early_data_policy',
  ],
  'config.route.v3.RouteAction.UpgradeConfig': ['upgrade_type enabled connect_config'],
  'config.route.v3.RouteAction.UpgradeConfig.ConnectConfig': ['proxy_protocol_config allow_post'],
  'config.route.v3.RouteAction.UpgradeConfig.ConnectConfig.proxy_protocol_config': ['version added_tlvs'],
  'config.route.v3.RouteMatch.ConnectMatcher': ['*'],
  'config.route.v3.RouteAction.MaxStreamDuration': ['*'],
  'config.core.v3.TypedExtensionConfig': ['name typed_config'],
  'extensions.path.match.uri_template.v3.UriTemplateMatchConfig': ['*'],
  'extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig': ['*'],
  'config.route.v3.WeightedCluster': ['clusters header_name runtime_key_prefix', 'total_weight'],
  'config.route.v3.WeightedCluster.ClusterWeight': [
    'name weight request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove ' +
      'host_rewrite_literal cluster_header typed_per_filter_config',
    'metadata_match',
  ],
  'config.route.v3.RedirectAction': [
    'https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite path_rewrite response_code ' +
      'strip_query',
  ],
  'config.route.v3.DirectResponseAction': ['status body body_format'],
  // The rest Envoy has not built either.
  'config.route.v3.HedgePolicy': ['hedge_on_per_try_timeout', 'initial_requests additional_request_chance'],
  'config.route.v3.RetryPolicy': [
    'retry_on num_retries per_try_timeout per_try_idle_timeout retriable_status_codes retry_back_off retriable_headers ' +
      'retriable_request_headers retry_host_predicate host_selection_retry_max_attempts rate_limited_retry_back_off retry_priority',
  ],
  'config.route.v3.RetryPolicy.RetryHostPredicate': ['name typed_config'],
  'config.route.v3.RetryPolicy.RetryPriority': ['name typed_config'],
  'extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate': ['*'],
  'extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate': ['*'],
  'extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig': ['metadata_match'],
  'config.core.v3.Metadata': ['filter_metadata'],
  'extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig': ['*'],
  'config.route.v3.InternalRedirectPolicy': ['*'],
  'extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig': ['*'],
  'extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig': ['*'],
  'extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig': ['*'],
  'config.route.v3.RouteAction.RequestMirrorPolicy': [
    'cluster cluster_header runtime_fraction disable_shadow_host_suffix_append request_headers_mutations host_rewrite_literal',
    'trace_sampled',
  ],
  'config.route.v3.FilterConfig': ['config disabled is_optional'],
  'config.route.v3.RetryPolicy.RateLimitedRetryBackOff': ['*'],
  'config.route.v3.RetryPolicy.RetryBackOff': ['*'],
  'config.core.v3.HeaderValueOption': ['*'],
  'config.cluster.v3.Cluster.TransportSocketMatch': ['name match transport_socket'],
  'config.core.v3.DataSource': ['filename inline_bytes inline_string environment_variable watched_directory'],

  // TCP proxy
  'extensions.filters.network.tcp_proxy.v3.TcpProxy': [
    'stat_prefix cluster weighted_clusters idle_timeout access_log access_log_options access_log_flush_interval ' +
      'flush_access_log_on_connected max_connect_attempts backoff_options max_downstream_connection_duration ' +
      'max_downstream_connection_duration_jitter_percentage check_drain_close ' +
      'upstream_connect_mode=IMMEDIATE|ON_DOWNSTREAM_DATA|ON_DOWNSTREAM_TLS_HANDSHAKE max_early_data_bytes ' +
      'proxy_protocol_tlvs proxy_protocol_tlv_merge_policy tunneling_config on_demand',
    // No load balancer asks for a hash or for subsets yet.
    'hash_policy metadata_match',
  ],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand': ['odcds_config timeout'],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions': ['*'],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig': [
    'hostname use_post headers_to_add post_path',
    // They are kept for other filters to read, of which there are none.
    'propagate_response_headers propagate_response_trailers',
  ],
  'config.core.v3.BackoffStrategy': ['*'],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': ['clusters'],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight': ['name weight', 'metadata_match'],

  // Access logs
  'config.accesslog.v3.AccessLog': ['name filter typed_config'],
  'config.accesslog.v3.AccessLogFilter': [
    'status_code_filter duration_filter not_health_check_filter traceable_filter runtime_filter and_filter or_filter ' +
      'header_filter response_flag_filter grpc_status_filter metadata_filter log_type_filter extension_filter',
  ],
  'config.accesslog.v3.ExtensionFilter': ['name typed_config'],
  'extensions.access_loggers.filters.cel.v3.ExpressionFilter': ['expression'],
  'config.accesslog.v3.AndFilter': ['filters'],
  'config.accesslog.v3.OrFilter': ['filters'],
  'config.accesslog.v3.StatusCodeFilter': ['*'],
  'config.accesslog.v3.DurationFilter': ['*'],
  'config.accesslog.v3.NotHealthCheckFilter': ['*'],
  'config.accesslog.v3.TraceableFilter': ['*'],
  'config.accesslog.v3.RuntimeFilter': ['*'],
  'config.accesslog.v3.HeaderFilter': ['header'],
  'config.accesslog.v3.ResponseFlagFilter': ['*'],
  'config.accesslog.v3.GrpcStatusFilter': ['*'],
  'config.accesslog.v3.MetadataFilter': ['*'],
  'config.accesslog.v3.LogTypeFilter': ['*'],
  'extensions.access_loggers.file.v3.FileAccessLog': ['path format json_format typed_json_format log_format'],
  'extensions.access_loggers.stream.v3.StdoutAccessLog': ['log_format'],
  'extensions.access_loggers.stream.v3.StderrAccessLog': ['log_format'],
  'config.core.v3.SubstitutionFormatString': [
    'text_format json_format text_format_source omit_empty_values content_type json_format_options',
  ],
  'config.core.v3.JsonFormatOptions': ['*'],

  // Clusters
  'config.cluster.v3.Cluster.lrs_server': ['self', 'initial_fetch_timeout resource_api_version'],
  'config.cluster.v3.TrackClusterStats': ['*'],
  'config.cluster.v3.Cluster': [
    'name alt_stat_name type=STATIC|STRICT_DNS|LOGICAL_DNS|EDS cluster_type connect_timeout per_connection_buffer_limit_bytes load_assignment ' +
      'lb_policy=ROUND_ROBIN|LEAST_REQUEST|RANDOM|LOAD_BALANCING_POLICY_CONFIG load_balancing_policy least_request_lb_config circuit_breakers max_requests_per_connection ' +
      'common_http_protocol_options http_protocol_options http2_protocol_options protocol_selection ' +
      'upstream_http_protocol_options typed_extension_protocol_options ' +
      'dns_refresh_rate dns_jitter dns_failure_refresh_rate respect_dns_ttl dns_lookup_family dns_resolvers ' +
      'dns_resolution_config typed_dns_resolver_config upstream_connection_options upstream_bind_config preconnect_policy ' +
      'connection_pool_per_downstream_connection ' +
      'eds_cluster_config health_checks transport_socket transport_socket_matches wait_for_warm_on_init ignore_health_on_host_removal lrs_server round_robin_lb_config common_lb_config ' +
      'track_cluster_stats track_timeout_budgets',
    'metadata use_tcp_for_dns_lookups close_connections_on_host_health_failure cleanup_interval',
  ],
  'config.cluster.v3.Cluster.EdsClusterConfig': ['eds_config service_name'],
  'config.cluster.v3.Cluster.RefreshRate': ['*'],
  'config.cluster.v3.Cluster.RoundRobinLbConfig': ['slow_start_config'],
  'config.cluster.v3.Cluster.SlowStartConfig': ['*'],
  'config.cluster.v3.Cluster.LeastRequestLbConfig': ['choice_count active_request_bias slow_start_config'],
  'config.core.v3.RuntimeDouble': ['default_value', 'runtime_key'],
  'config.cluster.v3.Cluster.CommonLbConfig': [
    'healthy_panic_threshold zone_aware_lb_config locality_weighted_lb_config close_connections_on_host_set_change',
    'update_merge_window ignore_new_hosts_until_first_hc',
  ],
  'config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig': ['*'],
  'config.cluster.v3.LoadBalancingPolicy': ['policies'],
  'config.cluster.v3.LoadBalancingPolicy.Policy': ['typed_extension_config'],
  'extensions.load_balancing_policies.least_request.v3.LeastRequest': [
    'choice_count active_request_bias locality_lb_config selection_method=N_CHOICES slow_start_config',
  ],
  'extensions.load_balancing_policies.round_robin.v3.RoundRobin': ['locality_lb_config slow_start_config'],
  'extensions.load_balancing_policies.common.v3.SlowStartConfig': ['*'],
  'extensions.load_balancing_policies.random.v3.Random': ['locality_lb_config'],
  'extensions.load_balancing_policies.common.v3.LocalityLbConfig': ['locality_weighted_lb_config zone_aware_lb_config'],
  'extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig': ['*'],
  'extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig': ['fail_traffic_on_panic'],
  'config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig': [
    'fail_traffic_on_panic',
    // Without a local cluster there are no zones to keep to.
    'routing_enabled min_cluster_size',
  ],
  'type.v3.Percent': ['*'],
  'config.cluster.v3.Cluster.CustomClusterType': ['name typed_config'],
  'config.cluster.v3.Cluster.PreconnectPolicy': ['*'],
  'extensions.clusters.dns.v3.DnsCluster': [
    'dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter typed_dns_resolver_config dns_lookup_family ' +
      'all_addresses_in_single_endpoint dns_min_refresh_rate',
  ],
  'extensions.clusters.dns.v3.DnsCluster.RefreshRate': ['*'],
  'config.core.v3.DnsResolutionConfig': ['resolvers dns_resolver_options'],
  // Answers that are truncated are asked for by TCP in any case.
  'config.core.v3.DnsResolverOptions': ['no_default_search_domain', 'use_tcp_for_dns_lookups'],
  'extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': [
    'resolvers use_resolvers_as_fallback dns_resolver_options query_timeout_seconds query_tries',
    'udp_max_queries edns0_max_payload_size max_udp_channel_duration reinit_channel_on_timeout qcache_max_ttl',
  ],
  'extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig': [
    '',
    'num_retries num_resolver_threads',
  ],
  'config.cluster.v3.CircuitBreakers': ['thresholds'],
  'config.cluster.v3.CircuitBreakers.Thresholds': [
    'priority max_connections max_pending_requests max_requests max_retries retry_budget max_connection_pools track_remaining',
  ],
  'config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget': ['budget_percent min_retry_concurrency'],
  'config.cluster.v3.UpstreamConnectionOptions': [
    'tcp_keepalive happy_eyeballs_config',
    // Nobody asks for it.
    'set_local_interface_name_on_upstream_connections',
  ],
  'config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig': ['*'],
  // The last two are refused with a reason.
  'config.core.v3.BindConfig': [
    'source_address extra_source_addresses additional_source_addresses socket_options freebind',
  ],
  'config.core.v3.ExtraSourceAddress': ['address'],
  'config.cluster.v3.Cluster.common_http_protocol_options': [
    'idle_timeout max_requests_per_connection max_connection_duration max_stream_duration max_headers_count max_response_headers_kb',
  ],
  'config.cluster.v3.Cluster.http_protocol_options': [
    'enable_trailers header_key_format send_fully_qualified_url',
    // Of requests, which hosts do not send.
    'use_balsa_parser allow_absolute_url accept_http_10 default_host_for_http_10',
  ],
  'extensions.upstreams.http.v3.HttpProtocolOptions': [
    'common_http_protocol_options upstream_http_protocol_options explicit_http_config use_downstream_protocol_config auto_config',
  ],
  'extensions.upstreams.http.v3.HttpProtocolOptions.common_http_protocol_options': [
    'idle_timeout max_requests_per_connection max_connection_duration max_stream_duration max_headers_count max_response_headers_kb',
  ],
  'extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig': [
    'http_protocol_options http2_protocol_options',
  ],
  'extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig': [
    'http_protocol_options http2_protocol_options',
    // No client speaks HTTP/3.
    'http3_protocol_options',
  ],
  'extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig': ['http_protocol_options http2_protocol_options'],
  'config.core.v3.UpstreamHttpProtocolOptions': ['*'],
  'config.core.v3.Http1ProtocolOptions': [
    'enable_trailers header_key_format send_fully_qualified_url',
    // Of requests, which hosts do not send.
    'use_balsa_parser allow_absolute_url accept_http_10 default_host_for_http_10',
  ],
  'config.core.v3.HealthCheck': [
    'timeout interval initial_jitter interval_jitter interval_jitter_percent unhealthy_threshold healthy_threshold ' +
      'reuse_connection http_health_check no_traffic_interval no_traffic_healthy_interval unhealthy_interval ' +
      'unhealthy_edge_interval healthy_edge_interval',
    // Each change is logged in any case.
    'name always_log_health_check_failures always_log_health_check_success',
  ],
  'config.core.v3.HealthCheck.HttpHealthCheck': [
    'host path request_headers_to_add request_headers_to_remove expected_statuses retriable_statuses ' +
      'codec_client_type=HTTP1 service_name_matcher method',
  ],
  'config.endpoint.v3.ClusterLoadAssignment': ['cluster_name endpoints policy'],
  'config.endpoint.v3.ClusterLoadAssignment.Policy': [
    'overprovisioning_factor weighted_priority_health',
    'endpoint_stale_after',
  ],
  'config.endpoint.v3.LocalityLbEndpoints': ['lb_endpoints priority load_balancing_weight', 'locality metadata'],
  'config.endpoint.v3.LbEndpoint': ['endpoint load_balancing_weight health_status', 'metadata'],
  'config.endpoint.v3.Endpoint': ['address hostname additional_addresses', 'health_check_config observability_name'],
  'config.endpoint.v3.Endpoint.AdditionalAddress': ['address'],
};
