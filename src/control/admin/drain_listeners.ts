/** POST /drain_listeners: stops accepting, lets connections end. */
import { type Endpoint, text } from './endpoint.ts';

export const drainListeners: Endpoint = {
  path: '/drain_listeners',
  help: 'drain listeners',
  mutates: true,
  params: [
    {
      name: 'graceful',
      help: 'When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI',
    },
    {
      name: 'skip_exit',
      help: 'When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners',
    },
    {
      name: 'inboundonly',
      help: 'Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.',
    },
  ],
  handle(context, { query }) {
    context.drainListeners({
      graceful: query.has('graceful'),
      skipExit: query.has('skip_exit'),
      inboundOnly: query.has('inboundonly'),
    });
    return text('OK\n');
  },
};
