/** Why a stream to an upstream ended before its time: decides the reply, its flag and details, and whether it is retried. */

export type ResetReason =
  | 'remote connection failure'
  | 'local connection failure'
  | 'connection timeout'
  | 'connection termination'
  | 'protocol error'
  | 'overflow'
  | 'remote reset'
  | 'remote refused stream reset'
  | 'remote error with CONNECT request'
  | 'local reset'
  /** The cluster's max_stream_duration was over. */
  | 'max stream duration';
