/**
 * What nuncio honours today, as data: a row for each message a configuration may use. A set field that is not in its row is
 * refused by name, so nobody runs a proxy that quietly ignores what it was told. To support more, extend a row.
 *
 * A row is `[honoured]` or `[honoured, harmless]`: field names separated by blanks; harmless fields change no behaviour and
 * are accepted with all that is in them. `codec_type=AUTO|HTTP1` limits the values; `*` takes every field and all below them. A row may be
 * keyed by `Message.field` for a message that means something else there. Names are without the leading `envoy.`.
 */

export type SupportedRow = readonly [honoured: string, harmless?: string];

export const supported: { readonly [message: string]: SupportedRow } = {
  // Bootstrap
  'config.bootstrap.v3.Bootstrap': [
    'node static_resources admin',
    'flags_path stats_flush_interval watchdog watchdogs deferred_stat_options memory_allocator_manager perf_tracing_file_path',
  ],
  'config.bootstrap.v3.Bootstrap.StaticResources': ['listeners clusters'],
  'config.bootstrap.v3.Admin': ['address access_log access_log_path', 'profile_path ignore_global_conn_limit'],
  'config.core.v3.Node': [
    'id cluster locality metadata',
    'dynamic_parameters user_agent_name user_agent_version user_agent_build_version extensions client_features listening_addresses',
  ],
  'config.core.v3.Locality': ['*'],

  // Addresses
  'config.core.v3.Address': ['socket_address pipe'],
  'config.core.v3.SocketAddress': ['protocol=TCP address port_value', 'ipv4_compat'],
  'config.core.v3.Pipe': ['path mode'],
  'config.core.v3.TcpKeepalive': ['keepalive_time', 'keepalive_probes keepalive_interval'],

  // Listeners
  'config.listener.v3.Listener': [
    'name address stat_prefix filter_chains per_connection_buffer_limit_bytes tcp_backlog_size',
    'metadata drain_type traffic_direction reuse_port enable_reuse_port bind_to_port=true listener_filters_timeout ' +
      'continue_on_listener_filters_timeout ignore_global_conn_limit bypass_overload_manager ' +
      'max_connections_to_accept_per_socket_event',
  ],
  'config.listener.v3.FilterChain': ['filters transport_socket', 'name metadata'],
  'config.listener.v3.Filter': ['name typed_config'],
  'config.core.v3.TransportSocket': ['name typed_config'],
  'extensions.transport_sockets.raw_buffer.v3.RawBuffer': ['*'],

  // HTTP connection manager
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': [
    'codec_type=AUTO|HTTP1 stat_prefix route_config http_filters access_log common_http_protocol_options http_protocol_options ' +
      'server_name server_header_transformation via max_request_headers_kb stream_idle_timeout request_timeout ' +
      'request_headers_timeout drain_timeout delayed_close_timeout use_remote_address xff_num_trusted_hops skip_xff_append ' +
      'generate_request_id preserve_external_request_id always_set_request_id_in_response proxy_100_continue ' +
      'normalize_path merge_slashes path_with_escaped_slashes_action',
    'http2_protocol_options http3_protocol_options record_route_resolution_stats add_proxy_protocol_connection_state',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpFilter': ['name typed_config', 'is_optional'],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.common_http_protocol_options': [
    'idle_timeout max_connection_duration max_headers_count max_stream_duration headers_with_underscores_action ' +
      'max_requests_per_connection',
  ],
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.http_protocol_options': [
    'allow_absolute_url accept_http_10 default_host_for_http_10 enable_trailers',
    'use_balsa_parser',
  ],
  'config.core.v3.Http2ProtocolOptions': ['*'],
  'extensions.filters.http.router.v3.Router': [
    'suppress_envoy_headers',
    'dynamic_stats start_child_span suppress_grpc_request_failure_code_stats',
  ],

  // Routes
  'config.route.v3.RouteConfiguration': [
    'name virtual_hosts validate_clusters request_headers_to_add request_headers_to_remove response_headers_to_add ' +
      'response_headers_to_remove most_specific_header_mutations_wins max_direct_response_body_size_bytes ' +
      'ignore_port_in_host_matching ignore_path_parameters_in_path_matching internal_only_headers',
    'metadata',
  ],
  'config.route.v3.VirtualHost': [
    'name domains routes require_tls retry_policy include_request_attempt_count include_attempt_count_in_response ' +
      'request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove',
    'metadata virtual_clusters',
  ],
  'config.route.v3.Route': [
    'name match route redirect direct_response request_headers_to_add request_headers_to_remove response_headers_to_add ' +
      'response_headers_to_remove',
    'metadata decorator stat_prefix',
  ],
  'config.route.v3.RouteMatch': [
    'prefix path safe_regex path_separated_prefix path_match_policy case_sensitive runtime_fraction headers query_parameters cookies grpc',
  ],
  'config.route.v3.RouteMatch.GrpcRouteMatchOptions': ['*'],
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
  'config.core.v3.RuntimeFractionalPercent': ['default_value', 'runtime_key'],
  'type.v3.FractionalPercent': ['*'],
  'config.route.v3.RouteAction': [
    'cluster cluster_header weighted_clusters cluster_not_found_response_code prefix_rewrite regex_rewrite path_rewrite_policy ' +
      'host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex append_x_forwarded_host timeout ' +
      'idle_timeout retry_policy priority max_stream_duration',
  ],
  'config.route.v3.RouteAction.MaxStreamDuration': ['*'],
  'config.core.v3.TypedExtensionConfig': ['name typed_config'],
  'extensions.path.match.uri_template.v3.UriTemplateMatchConfig': ['*'],
  'extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig': ['*'],
  'config.route.v3.WeightedCluster': ['clusters header_name', 'total_weight runtime_key_prefix'],
  'config.route.v3.WeightedCluster.ClusterWeight': [
    'name weight request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove ' +
      'host_rewrite_literal cluster_header',
  ],
  'config.route.v3.RedirectAction': [
    'https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite response_code ' +
      'strip_query',
  ],
  'config.route.v3.DirectResponseAction': ['status body'],
  'config.route.v3.RetryPolicy': [
    'retry_on num_retries per_try_timeout per_try_idle_timeout retriable_status_codes retry_back_off retriable_headers ' +
      'retriable_request_headers retry_host_predicate host_selection_retry_max_attempts rate_limited_retry_back_off',
  ],
  'config.route.v3.RetryPolicy.RetryHostPredicate': ['name=envoy.retry_host_predicates.previous_hosts typed_config'],
  'extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate': ['*'],
  'config.route.v3.RetryPolicy.RateLimitedRetryBackOff': ['*'],
  'config.route.v3.RetryPolicy.RetryBackOff': ['*'],
  'config.core.v3.HeaderValueOption': ['*'],
  'config.core.v3.DataSource': ['filename inline_bytes inline_string environment_variable'],

  // TCP proxy
  'extensions.filters.network.tcp_proxy.v3.TcpProxy': [
    'stat_prefix cluster weighted_clusters idle_timeout access_log max_connect_attempts max_downstream_connection_duration',
  ],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': ['clusters'],
  'extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight': ['name weight'],

  // Access logs
  'config.accesslog.v3.AccessLog': ['name filter typed_config'],
  'config.accesslog.v3.AccessLogFilter': [
    'status_code_filter duration_filter not_health_check_filter traceable_filter runtime_filter and_filter or_filter ' +
      'header_filter response_flag_filter grpc_status_filter metadata_filter log_type_filter',
  ],
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
  'config.cluster.v3.Cluster': [
    'name alt_stat_name type=STATIC|STRICT_DNS|EDS connect_timeout per_connection_buffer_limit_bytes load_assignment ' +
      'lb_policy=ROUND_ROBIN|LEAST_REQUEST|RANDOM least_request_lb_config circuit_breakers max_requests_per_connection ' +
      'common_http_protocol_options http_protocol_options http2_protocol_options typed_extension_protocol_options ' +
      'dns_refresh_rate dns_jitter dns_failure_refresh_rate respect_dns_ttl dns_lookup_family upstream_connection_options ' +
      'eds_cluster_config health_checks transport_socket wait_for_warm_on_init round_robin_lb_config common_lb_config',
    'metadata ignore_health_on_host_removal close_connections_on_host_health_failure ' +
      'cleanup_interval protocol_selection=USE_CONFIGURED_PROTOCOL track_cluster_stats track_timeout_budgets',
  ],
  'config.cluster.v3.Cluster.EdsClusterConfig': ['*'],
  'config.cluster.v3.Cluster.RefreshRate': ['*'],
  'config.cluster.v3.Cluster.RoundRobinLbConfig': [''],
  'config.cluster.v3.Cluster.LeastRequestLbConfig': ['choice_count active_request_bias'],
  'config.core.v3.RuntimeDouble': ['default_value', 'runtime_key'],
  'config.cluster.v3.Cluster.CommonLbConfig': [
    '',
    'healthy_panic_threshold update_merge_window ignore_new_hosts_until_first_hc close_connections_on_host_set_change',
  ],
  'config.cluster.v3.CircuitBreakers': ['thresholds'],
  'config.cluster.v3.CircuitBreakers.Thresholds': [
    'priority max_connections max_pending_requests max_requests max_retries',
    'track_remaining',
  ],
  'config.cluster.v3.UpstreamConnectionOptions': ['tcp_keepalive'],
  'config.cluster.v3.Cluster.common_http_protocol_options': ['idle_timeout max_requests_per_connection'],
  'config.cluster.v3.Cluster.http_protocol_options': ['enable_trailers', 'use_balsa_parser'],
  'extensions.upstreams.http.v3.HttpProtocolOptions': ['explicit_http_config'],
  'extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig': [
    'http_protocol_options http2_protocol_options',
  ],
  'config.core.v3.Http1ProtocolOptions': [''],
  'config.core.v3.HealthCheck': ['*'],
  'config.endpoint.v3.ClusterLoadAssignment': ['cluster_name endpoints'],
  'config.endpoint.v3.LocalityLbEndpoints': ['lb_endpoints priority', 'locality metadata load_balancing_weight'],
  'config.endpoint.v3.LbEndpoint': ['endpoint load_balancing_weight health_status=UNKNOWN|HEALTHY', 'metadata'],
  'config.endpoint.v3.Endpoint': ['address hostname', 'health_check_config observability_name'],
};
