/** GET /stats and /stats/prometheus: from the query to one of the formats. */
import type { AdminContext } from '../context.ts';
import { type AdminReply, badRequest, type Endpoint, type EndpointParam, html, text } from '../endpoint.ts';
import { page } from '../page.ts';
import { renderJson } from './json.ts';
import { renderPrometheus } from './prometheus.ts';
import {
  parseStatsQuery,
  type StatsQuery,
  wantedEndpoints,
  wantedHistograms,
  wantedTexts,
  wantedValues,
} from './query.ts';
import { renderText } from './text.ts';

const usedOnly: EndpointParam = {
  name: 'usedonly',
  help: 'Only include stats that have been written by system since restart',
};
const filters: readonly EndpointParam[] = [
  { name: 'filter', help: 'Regular expression (Google re2) for filtering stats' },
  { name: 'invert_filter', help: 'Invert the filter regex' },
];

export const stats: Endpoint = {
  path: '/stats',
  help: 'print server stats',
  params: [
    usedOnly,
    ...filters,
    { name: 'format', help: 'Format to use; One of (html, active-html, text, json)' },
    { name: 'type', help: 'Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)' },
    {
      name: 'histogram_buckets',
      help: 'Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)',
    },
  ],
  handle(context, request) {
    const query = parseStatsQuery(request.query);
    if ('error' in query) return query.error;
    if (query.format === 'prometheus') return prometheus(context, query, request.query.has('text_readouts'));
    const texts = wantedTexts(context.stats, query);
    const values = [...wantedValues(context.stats, query), ...wantedEndpoints(context.stats, query)];
    const histograms = wantedHistograms(context.stats, query);
    if (query.format === 'json') {
      return {
        status: 200,
        contentType: 'application/json',
        body: renderJson(texts, values, histograms, query.buckets),
      };
    }
    const lines = renderText(texts, values, histograms, query.buckets);
    return query.format === 'text' ? text(lines) : html(page([stats], request, [...lines].join('')));
  },
};

export const statsPrometheus: Endpoint = {
  path: '/stats/prometheus',
  help: 'print server stats in prometheus format',
  params: [
    usedOnly,
    {
      name: 'text_readouts',
      help: 'Render text_readouts as new gaugues with value 0 (increases Prometheus data size)',
    },
    ...filters,
    { name: 'histogram_buckets', help: 'Histogram bucket display mode; One of (cumulative, summary)' },
  ],
  handle(context, request) {
    const query = parseStatsQuery(request.query);
    return 'error' in query ? query.error : prometheus(context, query, request.query.has('text_readouts'));
  },
};

/** The type parameter does not count here, as in Envoy. */
function prometheus(context: AdminContext, query: StatsQuery, withTexts: boolean): AdminReply {
  const { buckets } = query;
  if (buckets === 'disjoint' || buckets === 'detailed') {
    return badRequest('unsupported prometheus histogram bucket mode');
  }
  const values = wantedValues(context.stats, query, true);
  const histograms = wantedHistograms(context.stats, query, true);
  const texts = withTexts ? wantedTexts(context.stats, query, true) : [];
  const endpoints = wantedEndpoints(context.stats, query, true);
  return text(renderPrometheus(context.stats, { values, texts, histograms, endpoints }, buckets));
}
