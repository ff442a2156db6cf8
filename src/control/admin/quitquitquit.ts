/** POST /quitquitquit: ends the process, after the reply. */
import { type Endpoint, text } from './endpoint.ts';

export const quitquitquit: Endpoint = {
  path: '/quitquitquit',
  help: 'exit the server',
  mutates: true,
  handle(context) {
    return { ...text('OK\n'), after: () => context.quit() };
  },
};
