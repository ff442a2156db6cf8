/** GET /runtime prints the runtime layer by layer; POST /runtime_modify changes the admin layer. */
import { badRequest, type Endpoint, json, text } from './endpoint.ts';

const usage = `usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override`;

export const runtime: Endpoint = {
  path: '/runtime',
  help: 'print runtime values',
  handle: (context) => {
    const { layerNames } = context.runtime;
    const entries = context.runtime
      .entries()
      .map(({ key, layerValues, finalValue }) => [key, { layer_values: layerValues, final_value: finalValue }]);
    return json({ entries: Object.fromEntries(entries), layers: layerNames });
  },
};

export const runtimeModify: Endpoint = {
  path: '/runtime_modify',
  help: 'Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...',
  mutates: true,
  takesForm: true,
  handle: (context, request) => {
    if (request.query.size === 0) return badRequest(usage);
    return context.modifyRuntime(request.query) ? text('OK\n') : text('No admin layer specified', 503);
  },
};
