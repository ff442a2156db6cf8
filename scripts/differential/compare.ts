/** What two proxies made of one input, compared; and what one proxy understood, compared with the bytes it sent on. */
import { type ReadRequest, readRequests } from './read_requests.ts';
import type { Outcome } from './side.ts';

/** `accepts more` and `framing` are what must never be. */
export type Kind =
  | 'agree'
  | 'accepts more'
  | 'framing'
  /** Envoy repairs or overlooks something. */
  | 'accepts less'
  | 'sends other'
  /** Both refuse: before the head is whole, or by another check. */
  | 'refuses sooner'
  | 'refuses later'
  | 'refuses otherwise'
  | 'answers other';

export interface Verdict {
  readonly kind: Kind;
  /** The sub-class: finds with the same one have the same cause, most likely. */
  readonly why: string;
}

export function compare(nuncio: Outcome, envoy: Outcome): Verdict {
  const framing = checkFraming(nuncio);
  if (framing !== '') return { kind: 'framing', why: framing };
  const ours = requestsOf(nuncio);
  const theirs = requestsOf(envoy);
  if (ours.length > theirs.length) return { kind: 'accepts more', why: `Envoy: ${refusalOf(envoy)}` };
  if (ours.length < theirs.length) return { kind: 'accepts less', why: refusalOf(nuncio) };
  for (let i = 0; i < ours.length; i++) {
    const difference = differenceOf(ours[i], theirs[i]);
    if (difference !== '') return { kind: 'sends other', why: difference };
  }
  return compareAnswers(nuncio.statuses, envoy.statuses);
}

/** When a connection closes is left out: Envoy waits a second before it does, we send FIN at once and wait behind it. */
function compareAnswers(ours: readonly number[], theirs: readonly number[]): Verdict {
  const shorter = Math.min(ours.length, theirs.length);
  const first = ours.findIndex((status, index) => status !== theirs[index]);
  if (first < 0 && ours.length === theirs.length) return { kind: 'agree', why: '' };
  const why = `${answersOf(ours)} where Envoy ${answersOf(theirs)}`;
  const behind = ours.length > theirs.length ? ours : theirs;
  if ((first < 0 || first === shorter) && behind[shorter] >= 400) {
    return { kind: behind === ours ? 'refuses sooner' : 'refuses later', why };
  }
  const both = ours.length === theirs.length && first === ours.length - 1;
  return { kind: both && ours[first] >= 400 && theirs[first] >= 400 ? 'refuses otherwise' : 'answers other', why };
}

function requestsOf(outcome: Outcome): ReadRequest[] {
  return outcome.sent.flatMap((bytes) => readRequests(bytes).requests);
}

/** Why the bytes a proxy sent are not exactly the messages it logged; empty when they are. */
export function checkFraming(outcome: Outcome): string {
  let unfinished = 0;
  for (const bytes of outcome.sent) {
    const { rest, error } = readRequests(bytes);
    if (error !== '') return `sent what is no request: ${error.replace(/".*"/, '…')}`;
    if (rest > 0) unfinished++;
  }
  const requests = requestsOf(outcome);
  const logged = outcome.log.filter(({ details }) => details === 'via_upstream');
  const broken = outcome.log.length - logged.length;
  if (outcome.log.length === 0) return '';
  if (unfinished > broken) return 'sent a part of a request without giving it up';
  if (requests.length !== logged.length) return `sent ${requests.length} requests and understood ${logged.length}`;
  for (let i = 0; i < requests.length; i++) {
    const { method, path, bodyBytes } = logged[i];
    if (requests[i].method !== method) return 'sent another method than understood';
    if (requests[i].target !== path) return 'sent another path than understood';
    if (requests[i].body.length !== bodyBytes) return 'sent another body than understood';
  }
  return '';
}

function refusalOf(outcome: Outcome): string {
  const entry = outcome.log.find(({ details }) => details !== 'via_upstream');
  if (entry !== undefined) return `${entry.code} ${entry.details}`;
  return outcome.statuses.length === 0 ? 'waits' : `answers ${outcome.statuses.join(' ')}`;
}

function differenceOf(ours: ReadRequest, theirs: ReadRequest): string {
  if (ours.method !== theirs.method) return 'method';
  if (ours.target !== theirs.target) return 'target';
  if (ours.body !== theirs.body) return 'body';
  const [a, b] = [fieldsOf(ours), fieldsOf(theirs)];
  const extra = a.filter((field) => !b.includes(field));
  const missing = b.filter((field) => !a.includes(field));
  if (extra.length + missing.length > 0) return `fields: ${names(extra)} for ${names(missing)}`;
  return a.length === b.length ? '' : 'fields: repeated';
}

/** Order across names carries no meaning; a request id is random. */
function fieldsOf(request: ReadRequest): string[] {
  return request.fields
    .filter(([name]) => name !== 'x-request-id')
    .map(([name, value]) => `${name}: ${value}`)
    .sort();
}

function names(fields: readonly string[]): string {
  return fields.length === 0
    ? 'nothing'
    : [...new Set(fields.map((field) => field.slice(0, field.indexOf(':'))))].join(',');
}

function answersOf(statuses: readonly number[]): string {
  return statuses.length === 0 ? 'nothing' : statuses.join(' ');
}
