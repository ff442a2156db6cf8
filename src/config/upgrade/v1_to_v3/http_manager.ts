/** v1's HTTP connection manager → v3 (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import { itemsOf, list, map, textOf } from '../edit.ts';
import { convertAccessLogs } from './access_log.ts';
import { restSource, takeHttp2Settings } from './clusters.ts';
import { convertFilter } from './listeners.ts';
import { convertRouteConfig } from './routes.ts';
import { type Section, seconds, sectionsOf } from './section.ts';

const codecs: Readonly<Record<string, string>> = { auto: 'AUTO', http1: 'HTTP1', http2: 'HTTP2' };

export function convertHttpManager(section: Section): MapNode {
  const { context } = section;
  section.field('codec_type', 'codec_type', (value) => {
    const codec = codecs[textOf(value) ?? ''];
    if (codec === undefined)
      context.error(value, `unknown codec_type '${textOf(value)}'`, 'expected one of http1, http2, auto');
    return codec;
  });
  section.fields('stat_prefix');
  convertRoutes(section);
  const filters = section.take('filters');
  if (filters !== undefined) {
    const converted = sectionsOf(filters.value, 'a v1 HTTP filter', context).flatMap((filter) => {
      // decoder, encoder or both: every filter says itself what it looks at.
      filter.take('type');
      return convertFilter(filter, 'http') ?? [];
    });
    section.put('http_filters', list(converted, filters), filters);
  }
  section.field('access_log', 'access_log', (_value, entry) => convertAccessLogs(entry, context));
  section.fields(
    'add_user_agent',
    'server_name',
    'use_remote_address',
    'generate_request_id',
    'preserve_external_request_id',
  );
  section.field('idle_timeout_s', 'common_http_protocol_options', (value) => {
    const timeout = seconds(value, context);
    return timeout && map({ idle_timeout: timeout }, value);
  });
  section.ms('drain_timeout_ms');
  convertCodecSettings(section);
  section.field('forward_client_cert', 'forward_client_cert_details', (value) => (textOf(value) ?? '').toUpperCase());
  section.field('set_current_client_cert_details', 'set_current_client_cert_details', certDetails);
  const tracing = section.section('tracing', 'v1 tracing');
  if (tracing !== undefined) section.out.put('tracing', convertTracing(tracing), tracing.node);
  section.field('represent_ipv4_remote_address_as_ipv4_mapped_ipv6');
  return section.done();
}

function convertRoutes(section: Section): void {
  const { context } = section;
  const config = section.section('route_config', 'a v1 route_config');
  if (config !== undefined) section.out.put('route_config', convertRouteConfig(config), config.node);
  const entry = section.take('rds');
  const rds = entry && sectionsOf(entry.value, 'v1 rds', context)[0];
  if (entry === undefined || rds === undefined) return;
  const cluster = rds.take('cluster');
  const delay = rds.take('refresh_delay_ms');
  if (cluster === undefined) context.error(entry, "rds needs a 'cluster'");
  else rds.put('config_source', restSource(cluster.value, delay, context), cluster);
  rds.fields('route_config_name');
  section.put('rds', rds.done(), entry);
}

function convertCodecSettings(section: Section): void {
  const http1 = section.section('http1_settings', 'v1 http1_settings');
  if (http1 !== undefined) {
    http1.fields('allow_absolute_url');
    section.out.put('http_protocol_options', http1.done(), http1.node);
  }
  const http2 = takeHttp2Settings(section);
  if (http2 !== undefined) section.put('http2_protocol_options', http2.options, http2.from);
}

/** `["Subject", "SAN"]` */
function certDetails(value: SourceNode, entry: MapEntry): SourceNode {
  const names = new Set(itemsOf(value).map((item) => textOf(item)?.toLowerCase()));
  return map({ subject: names.has('subject') || undefined, uri: names.has('san') || undefined }, entry);
}

function convertTracing(section: Section): MapNode {
  const { context } = section;
  const operation = section.take('operation_name');
  if (operation !== undefined) {
    const egress = textOf(operation.value) === 'egress';
    context.trafficDirection ??= { value: egress ? 'OUTBOUND' : 'INBOUND', from: operation };
  }
  section.field('request_headers_for_tags', 'custom_tags', (value) =>
    list(
      itemsOf(value).map((name) => map({ tag: name, request_header: map({ name }, name) }, name)),
      value,
    ),
  );
  if (context.tracingProvider !== undefined) section.out.put('provider', context.tracingProvider, section.node);
  return section.done();
}
