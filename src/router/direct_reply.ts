/** Step 7 of the data path: routes that answer themselves: redirects and direct responses. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE, LOCATION } from '../../native-free/headers/well_known.ts';
import { formatReply } from '../common/formatter/reply_format.ts';
import { fromWire, toWire } from '../common/wire_string.ts';
import type { DecoderFilterCallbacks } from '../spi/http_filter.ts';
import type { Route } from './route_table.ts';

/** `keepOriginal`: a path that a redirect rewrites is noted in x-envoy-original-path. */
export function replyDirectly(
  route: Route,
  head: RequestHead,
  callbacks: DecoderFilterCallbacks,
  keepOriginal: boolean,
): void {
  const location = route.redirectLocation(head, callbacks, keepOriginal);
  const { format } = route;
  const body = format === undefined ? route.body : fromWire(formatReply(format, toWire(route.body), callbacks));
  const edit = (headers: HeaderMap) => {
    if (location !== '') headers.set(LOCATION, location);
    route.applyResponseHeaders(callbacks.response!, callbacks);
    // Plain text is what a reply is anyway.
    if (format !== undefined && format.contentType !== 'text/plain') headers.set(CONTENT_TYPE, format.contentType);
  };
  callbacks.sendLocalReply(route.status, body, 'direct_response', -1, edit);
}
