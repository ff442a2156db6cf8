/** GET /hot_restart_version */
import { type Endpoint, text } from './endpoint.ts';

/** There is no hot restart over shared memory: Envoy says so with this word under --disable-hot-restart. */
export const HOT_RESTART_VERSION = 'disabled';

export const hotRestartVersion: Endpoint = {
  path: '/hot_restart_version',
  help: 'print the hot restart compatibility version',
  handle: () => text(HOT_RESTART_VERSION),
};
