/** Names below `listener.<address>.` and `tcp.<stat_prefix>.`. */
import { defineLayout } from './layout.ts';

const listenerCounters = [
  'downstream_cx_destroy',
  'downstream_cx_overflow',
  'downstream_cx_overload_reject',
  'downstream_cx_total',
  'downstream_cx_transport_socket_connect_timeout',
  'downstream_global_cx_overflow',
  'downstream_listener_filter_error',
  'downstream_listener_filter_remote_close',
  'downstream_pre_cx_timeout',
  'no_filter_chain_match',
] as const;

const listenerGauges = ['downstream_cx_active', 'downstream_pre_cx_active'] as const;

/** `listener.<address>.`, the address as `0.0.0.0_80`, `[__]_80` or the listener's stat_prefix. */
export const LISTENER = defineLayout(
  'listener',
  [...listenerCounters, 'extension_config_missing', 'network_extension_config_missing'],
  listenerGauges,
);

/** `listener.admin.` */
export const LISTENER_ADMIN = defineLayout('listener_admin', listenerCounters, listenerGauges);

/** `listener.<address>.worker_<n>.` and `listener.admin.main_thread.` */
export const LISTENER_WORKER = defineLayout('listener_worker', ['downstream_cx_total'], ['downstream_cx_active']);

/** `tcp.<stat_prefix>.` */
export const TCP = defineLayout(
  'tcp',
  [
    'downstream_cx_drain_close',
    'downstream_cx_no_route',
    'downstream_cx_overload_close',
    'downstream_cx_rx_bytes_total',
    'downstream_cx_total',
    'downstream_cx_tx_bytes_total',
    'downstream_flow_control_paused_reading_total',
    'downstream_flow_control_resumed_reading_total',
    'early_data_received_count_total',
    'idle_timeout',
    'max_downstream_connection_duration',
    'route_delayed_total',
    'upstream_flush_total',
  ],
  ['downstream_cx_rx_bytes_buffered', 'downstream_cx_tx_bytes_buffered', 'upstream_flush_active'],
);
