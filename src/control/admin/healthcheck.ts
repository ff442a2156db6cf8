/** POST /healthcheck/fail and /healthcheck/ok: lets balancers in front of us take this process out and in again. */
import { type Endpoint, text } from './endpoint.ts';

export const healthcheckFail: Endpoint = {
  path: '/healthcheck/fail',
  help: 'cause the server to fail health checks',
  mutates: true,
  handle(context) {
    context.failHealthChecks(true);
    return text('OK\n');
  },
};

export const healthcheckOk: Endpoint = {
  path: '/healthcheck/ok',
  help: 'cause the server to pass health checks',
  mutates: true,
  handle(context) {
    context.failHealthChecks(false);
    return text('OK\n');
  },
};
