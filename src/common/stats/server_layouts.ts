/** Names of the process as a whole; the main thread writes them, but for `server.total_connections`. */
import { defineLayout } from './layout.ts';

/** `server.`; worker_restarts is ours: workers that died and were replaced. */
export const SERVER = defineLayout(
  'server',
  [
    'debug_assertion_failures',
    'dropped_stat_flushes',
    'dynamic_unknown_fields',
    'envoy_bug_failures',
    'envoy_notifications',
    'static_unknown_fields',
    'wip_protos',
    'worker_restarts',
  ],
  [
    'concurrency',
    'days_until_first_cert_expiring',
    'hot_restart_epoch',
    'hot_restart_generation',
    'live',
    'memory_allocated',
    'memory_heap_size',
    'memory_physical_size',
    'parent_connections',
    'seconds_until_first_ocsp_response_expiring',
    'state',
    'stats_recent_lookups',
    'total_connections',
    'uptime',
    'version',
  ],
);

/** `listener_manager.`; listener_create_success counts a listener once for every worker. */
export const LISTENER_MANAGER = defineLayout(
  'listener_manager',
  [
    'listener_added',
    'listener_create_failure',
    'listener_create_success',
    'listener_in_place_updated',
    'listener_modified',
    'listener_removed',
    'listener_stopped',
  ],
  [
    'total_filter_chains_draining',
    'total_listeners_active',
    'total_listeners_draining',
    'total_listeners_warming',
    'workers_pinned',
    'workers_started',
  ],
);

/** `cluster_manager.` */
export const CLUSTER_MANAGER = defineLayout(
  'cluster_manager',
  [
    'cluster_added',
    'cluster_modified',
    'cluster_removed',
    'cluster_updated',
    'cluster_updated_via_merge',
    'update_merge_cancelled',
    'update_out_of_merge_window',
  ],
  ['active_clusters', 'warming_clusters'],
);

/** `thread_local_cluster_manager.<main_thread|worker_n>.` */
export const THREAD_LOCAL_CLUSTER_MANAGER = defineLayout('thread_local_cluster_manager', [], ['clusters_inflated']);

/** `runtime.` */
export const RUNTIME = defineLayout(
  'runtime',
  ['deprecated_feature_use', 'load_error', 'load_success', 'override_dir_exists', 'override_dir_not_exists'],
  ['admin_overrides_active', 'deprecated_feature_seen_since_process_start', 'num_keys', 'num_layers'],
);

/** `filesystem.`: files of access logs */
export const FILESYSTEM = defineLayout(
  'filesystem',
  ['flushed_by_timer', 'reopen_failed', 'write_buffered', 'write_completed', 'write_failed'],
  ['write_total_buffered'],
);

/** `dns.cares.` */
export const DNS_CARES = defineLayout(
  'dns_cares',
  ['get_addr_failure', 'not_found', 'reinits', 'resolve_total', 'timeouts'],
  ['pending_resolutions'],
);

/** `main_thread.`, `workers.`, `server.main_thread.` and `server.worker_<n>.` */
export const WATCHDOG = defineLayout('watchdog', ['watchdog_mega_miss', 'watchdog_miss']);

/** There are no overload actions to take; the names are there, as without an overload manager in Envoy. */
export const OVERLOAD = defineLayout('overload', ['reset_high_memory_stream.count']);

/** `server.compilation_settings.` */
export const COMPILATION_SETTINGS = defineLayout('compilation_settings', [], ['fips_mode']);
