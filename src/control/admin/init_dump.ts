/** GET /init_dump: what initialization still waits for. */
import { type Endpoint, json } from './endpoint.ts';

export const initDump: Endpoint = {
  path: '/init_dump',
  help: 'dump current Envoy init manager information (experimental)',
  params: [
    {
      name: 'mask',
      help: 'The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`',
    },
  ],
  handle(context, { query }) {
    const mask = query.get('mask') ?? '';
    // Only listeners have targets of their own to wait for.
    const asked = mask === '' || mask === 'listener' ? context.unready() : [];
    const dumps = asked.map(({ name, targets }) => ({
      name,
      ...(targets.length === 0 ? {} : { target_names: targets }),
    }));
    return json(dumps.length === 0 ? {} : { unready_targets_dumps: dumps });
  },
};
