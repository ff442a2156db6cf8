/** What is counted of active health checks. */
import { defineLayout } from '../common/stats/layout.ts';

/** `cluster.<name>.health_check.` */
export const HEALTH_CHECK = defineLayout(
  'health_check',
  ['attempt', 'failure', 'network_failure', 'passive_failure', 'success', 'verify_cluster'],
  ['degraded', 'healthy'],
);
