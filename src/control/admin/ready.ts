/** GET /ready: whether to send traffic here. */
import { type Endpoint, text } from './endpoint.ts';

export const ready: Endpoint = {
  path: '/ready',
  help: 'print server state, return 200 if LIVE, otherwise return 503',
  handle(context) {
    const state = context.state();
    return text(`${state}\n`, state === 'LIVE' ? 200 : 503);
  },
};
