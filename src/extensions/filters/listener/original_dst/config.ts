/** envoy.filters.listener.original_dst: refused, with the reason. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.original_dst',
  category: 'envoy.filters.listener',
  aliases: ['envoy.listener.original_dst'],
  typeName: 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  validate(_message, errors) {
    const reason = 'Node.js cannot read SO_ORIGINAL_DST; let the redirecting proxy say it by the PROXY protocol';
    errors.error('', `envoy.filters.listener.original_dst is not supported: ${reason}`);
  },
  load: () => Promise.reject(new Error('original_dst is refused by configuration')),
};
