/** GET /listeners: names and where they listen. */
import type { Address } from '../../common/stream_info.ts';
import { addressJson } from './address_json.ts';
import { type Endpoint, json, text } from './endpoint.ts';

export const listeners: Endpoint = {
  path: '/listeners',
  help: 'print listener info',
  params: [{ name: 'format', help: 'File format to use; One of (text, json)' }],
  handle(context, { query }) {
    const all = context.listeners();
    if (query.get('format') !== 'json') {
      const lines = all.flatMap(({ name, address, additionalAddresses = [] }) =>
        [address, ...additionalAddresses].map((each) => `${name}::${each.text}\n`),
      );
      return text(lines.join(''));
    }
    if (all.length === 0) return json({});
    return json({
      listener_statuses: all.map(({ name, address, additionalAddresses }) => ({
        name,
        local_address: addressJson(address),
        ...additional(additionalAddresses),
      })),
    });
  },
};

function additional(addresses: readonly Address[] = []): object {
  return addresses.length === 0 ? {} : { additional_local_addresses: addresses.map(addressJson) };
}
