/** v1's health checks of clusters → v3 (control path, step 1). */
import type { MapEntry, MapNode } from '../../source_tree.ts';
import { Fields, itemsOf, list, map, textOf } from '../edit.ts';
import { redisCheck } from '../v2_to_v3/clusters.ts';
import type { Section } from './section.ts';

export function healthCheckOf(section: Section): MapNode {
  section.ms('timeout_ms');
  section.ms('interval_ms');
  section.ms('interval_jitter_ms');
  section.fields('unhealthy_threshold', 'healthy_threshold');
  const type = section.take('type');
  switch (textOf(type?.value)) {
    case undefined:
    case 'http': {
      const http = new Fields(map({}, section.node));
      const path = section.take('path');
      if (path !== undefined) http.put('path', path.value, path);
      const service = section.take('service_name');
      if (service !== undefined) http.put('service_name_matcher', map({ prefix: service.value }, service), service);
      section.out.put('http_health_check', http.done(), type ?? section.node);
      break;
    }
    case 'tcp':
      section.out.put('tcp_health_check', tcpCheck(section), type!);
      break;
    case 'redis': {
      const key = section.take('redis_key');
      section.out.put('custom_health_check', redisCheck(map({ key: key?.value }, type!), type!), type!);
      break;
    }
    case 'grpc': {
      const service = section.take('service_name');
      section.out.put('grpc_health_check', map({ service_name: service?.value }, type!), type!);
      break;
    }
    default:
      section.context.error(
        type!.value,
        `unknown health check type '${textOf(type!.value)}'`,
        'expected one of http, tcp, redis, grpc',
      );
  }
  return section.done();
}

/** What is sent is one text, what is awaited a list of them, in hexadecimal. */
function tcpCheck(section: Section): MapNode {
  const send = section.take('send');
  const receive = section.take('receive');
  const text = hexBlocks(send).join('');
  return map(
    {
      send: send === undefined || text === '' ? undefined : map({ text }, send),
      receive:
        receive &&
        list(
          hexBlocks(receive).map((block) => map({ text: block }, receive)),
          receive,
        ),
    },
    section.node,
  );
}

/** `[{binary: "AB01"}, …]` */
function hexBlocks(entry: MapEntry | undefined): string[] {
  return itemsOf(entry?.value).map((item) =>
    item.kind === 'map' ? (textOf(new Fields(item).get('binary')?.value) ?? '') : '',
  );
}
