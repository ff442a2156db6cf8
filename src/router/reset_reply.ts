/** What a client is told when a try ends without an answer: status, body, flag and details as Envoy's. */
import type { ResetReason } from '../common/reset_reason.ts';
import { ResponseFlag } from '../common/response_flags.ts';

export interface ResetReply {
  readonly status: number;
  readonly body: string;
  readonly details: string;
  readonly flag: number;
}

const flags: Record<ResetReason, number> = {
  'remote connection failure': ResponseFlag.UpstreamConnectionFailure,
  'local connection failure': ResponseFlag.UpstreamConnectionFailure,
  'connection timeout': ResponseFlag.UpstreamConnectionFailure,
  'connection termination': ResponseFlag.UpstreamConnectionTermination,
  'protocol error': ResponseFlag.UpstreamProtocolError,
  overflow: ResponseFlag.UpstreamOverflow,
  'remote reset': ResponseFlag.UpstreamRemoteReset,
  'remote refused stream reset': ResponseFlag.UpstreamRemoteReset,
  'remote error with CONNECT request': ResponseFlag.UpstreamRemoteReset,
  'local reset': ResponseFlag.LocalReset,
  'max stream duration': ResponseFlag.UpstreamMaxStreamDurationReached,
};

const tooLong: ResetReply = {
  status: 504,
  body: 'upstream max stream duration reached',
  details: 'upstream_max_stream_duration_reached',
  flag: ResponseFlag.UpstreamMaxStreamDurationReached,
};

/** Before the answer began. `retried`: this was not the first try. `informed`: to Envoy an informational answer is its begin. */
export function replyToReset(reason: ResetReason, detail: string, retried: boolean, informed: boolean): ResetReply {
  if (reason === 'max stream duration') return tooLong;
  const again = retried ? 'retried and the latest ' : '';
  return {
    status: reason === 'protocol error' ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${again}reset reason: ${reason}`,
    details: `upstream_reset_${informed ? 'after' : 'before'}_response_started{${detailText(reason, transportDetail(reason, detail))}}`,
    flag: flags[reason],
  };
}

/** After the answer began: it is cut. */
export function detailsOfCut(reason: ResetReason): string {
  if (reason === 'max stream duration') return tooLong.details;
  return `upstream_reset_after_response_started{${detailText(reason, '')}}`;
}

export function flagOfReset(reason: ResetReason): number {
  return flags[reason];
}

/** Codec errors carry their own details for our log; Envoy shows only those of the transport. */
function transportDetail(reason: ResetReason, detail: string): string {
  return reason === 'protocol error' ? '' : detail;
}

function detailText(reason: ResetReason, detail: string): string {
  const text = detail === '' ? reason : `${reason}|${detail}`;
  return text.replaceAll(' ', '_');
}
