/** POST /reopen_logs: for log rotation. */
import { type Endpoint, text } from './endpoint.ts';

export const reopenLogs: Endpoint = {
  path: '/reopen_logs',
  help: 'reopen access logs',
  mutates: true,
  handle(context) {
    context.reopenLogs();
    return text('OK\n');
  },
};
