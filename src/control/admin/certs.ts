/** GET /certs: the certificates in use. */
import { type Endpoint, json } from './endpoint.ts';

export const certs: Endpoint = {
  path: '/certs',
  help: 'print certs on machine',
  handle: () => json({ certificates: [] }),
};
