/** Control path, step 3: what is counted of subscriptions and of the streams to control planes. */
import { defineLayout } from '../common/stats/layout.ts';

/** Below a subscription's prefix, e.g. `cluster_manager.cds.`. */
export const SUBSCRIPTION = defineLayout(
  'subscription',
  ['init_fetch_timeout', 'update_attempt', 'update_failure', 'update_rejected', 'update_success'],
  ['update_time', 'version'],
);

/** `control_plane.` below the same prefix. */
export const CONTROL_PLANE = defineLayout(
  'control_plane',
  ['rate_limit_enforced'],
  ['connected_state', 'pending_requests'],
);
