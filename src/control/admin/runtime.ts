/** GET /runtime and POST /runtime_modify: there are no runtime layers, so nothing to print and nowhere to write. */
import { type Endpoint, json, text } from './endpoint.ts';

export const runtime: Endpoint = {
  path: '/runtime',
  help: 'print runtime values',
  handle: () => json({ entries: {}, layers: [] }),
};

export const runtimeModify: Endpoint = {
  path: '/runtime_modify',
  help: 'Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...',
  mutates: true,
  handle: () => text('No admin layer specified', 503),
};
